"""Singular and plural of English nouns have one key; words that look alike and mean other products do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.search.stemming import stem
from components.search.terms import split_terms

MEET = """
brownie brownies, hoodie hoodies, beanie beanies, smoothie smoothies, tie ties, pie pies, berry berries, fly flies,
wolf wolves, half halves, loaf loaves, thief thieves, wife wives, bookshelf bookshelves, knife knives, scarf scarves,
scarf scarfs, roof roofs, elf elves, calf calves, leaf leaves, life lives, glove gloves, olive olives, sleeve sleeves,
valve valves, stove stoves, mango mangoes, mango mangos, hero heroes, photo photos, canoe canoes, shoe shoes, toe toes,
vase vases, nurse nurses, hose hoses, rose roses, cheese cheeses, mousse mousses, lens lenses, bus buses, gas gases,
walrus walruses, atlas atlases, thermos thermoses, trellis trellises, mattress mattresses, princess princesses,
box boxes, mix mixes, axe axes, deluxe deluxes, prize prizes, size sizes, quiz quizzes, waltz waltzes, buzz buzzes,
bench benches, torch torches, toothache toothaches, cache caches, moustache moustaches, brush brushes,
galoshe galoshes, mouse mice, goose geese, foot feet, tooth teeth, ox oxen, person people, louse lice, child children,
man men, woman women, snowman snowmen, fireman firemen, saleswoman saleswomen, grandchild grandchildren,
cactus cacti, cactus cactuses, index indices, index indexes, matrix matrices, oasis oases, gateau gateaux,
day days, key keys, bee bees, pea peas, banana bananas, bra bras, spa spas, taxi taxis, bikini bikinis, menu menus,
GPU GPUs, TV TVs, DVD DVDs, CD CDs, trouser trousers, scissor scissors, jean jeans, species species, series series,
lady's ladies, ladies' lady, men's man, MEN’S mens, women’s womens, children's childrens, baby’s babies, dogs' dog's,
James's James, Macy's Macys, Kellogg’s kelloggs, Levi’s levis, CD's CDs, boss's bosses, Hermès hermes, café cafés
"""
APART = """
new news, universe university, organ organic, cap cape, bra brass, bras brass, leg leggings, lens len, us use, no nose,
good goods, custom customs, short shorts, tight tights, leave leaf, car care, bar bare, pin pine, plan plane, can cane,
tap tape, cub cube, robe rob, cast castle, prince princess, princes princess, cares caress, needles needless,
laps lapse, tens tense, teas tease, taxis taxes, cloths clothes, to toe, shoe show, cook cookie, sky ski, axis axe,
mas mass, bath bathe, win wine, kit kite, sit site, cut cute, marie mary, julie july, marine marina, station stationery,
policy police, general generic, paint pain, planet plane, ramen rama, bus bust, chest chess, sing single
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(pair.split()[0], pair.split()[1]) for pair in text.split(",")]


@pytest.mark.parametrize(("one", "other"), pairs(MEET))
def test_singular_and_plural_meet(one: str, other: str) -> None:
    assert split_terms(one) == split_terms(other) != []


@pytest.mark.parametrize(("one", "other"), pairs(APART))
def test_other_words_do_not(one: str, other: str) -> None:
    assert split_terms(one) != split_terms(other)


@pytest.mark.parametrize("word", ["", "s", "as", "15s", "茶", "чайники", "t", "gas", "bus", "glass", "chess"])
def test_what_is_no_english_plural_is_its_own_key(word: str) -> None:
    assert stem(word) == word


@given(st.text("aeimnosuvxyzchl", max_size=10))
def test_any_word_has_a_key(word: str) -> None:
    assert bool(stem(word)) == bool(word)
