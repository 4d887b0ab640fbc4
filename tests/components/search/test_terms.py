"""Words written apart or joined, and article numbers with their parts."""

import pytest

from components.language.words import split_words
from components.search.terms import MAX_JOINED_LENGTH, cuts, first_parts, id_key, id_parts, joined_words, split_terms


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("t-shirt", ["tshirt"]),
        ("L’Oréal", ["loreal"]),
        ("usb-c cable", ["usbc"]),
        ("H&M", ["hm"]),
        ("R.E.M.", ["re", "rem", "em"]),
        ("3-in-1", ["3in", "3in1", "in1"]),
        ("red bull", []),
        ("红茶-壶", []),
        ("Levi's", []),
    ],
)
def test_what_is_written_without_a_blank_is_one_word_too(text: str, joined: list[str]) -> None:
    assert [word for _, _, word in joined_words(split_words(text))] == joined


def test_neighbours_are_joined_where_that_word_is_known() -> None:
    words = split_words("a red bull can of 500 ml")
    assert list(joined_words(words, {"redbull", "500ml", "bullred"})) == [(1, 3, "redbull"), (5, 7, "500ml")]


def test_first_parts_are_those_of_words_that_other_words_make_up() -> None:
    known = {"red", "bull", "redbull", "redder", "10", "x", "15", "cm", "10x15cm", "bullx15red10"}
    assert first_parts(known) == {"red", "10"}  # more than four parts are not looked for
    words = split_words("red bull x 10 x 15 cm bull t-shirt")
    assert list(joined_words(words, known, first_parts(known))) == list(joined_words(words, known))


def test_joining_is_bounded() -> None:
    words = split_words("-".join(["ab"] * 200))
    assert len(list(joined_words(words))) <= 3 * len(words)
    assert all(len(word) <= MAX_JOINED_LENGTH for _, _, word in joined_words(split_words("-".join(["abcdefgh"] * 9))))


@pytest.mark.parametrize(
    ("item_id", "key", "parts"),
    [
        ("KT-2040/B", "kt2040b", {"kt2040", "2040", "2040b"}),
        ("P0007", "p0007", {"0007"}),
        ("00123", "00123", set()),
        ("red-lamp-12", "redlamp12", {"lamp12"}),
        ("lamp", "lamp", set()),
        ("ÄB 77é", "ab77e", {"ab77", "77e"}),
        ("茶-100", "茶100", {"100"}),
        ("…", "", set()),
    ],
)
def test_article_numbers_and_their_parts(item_id: str, key: str, parts: set[str]) -> None:
    assert id_key(item_id) == key
    assert id_parts(item_id) == parts


def test_cuts() -> None:
    assert list(cuts("ab1")) == [["a", "b1"], ["ab", "1"]]
    assert next(cuts("10x15cm")) == ["10", "x", "15", "cm"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [("Dresses & boxes", ["dress", "box"]), ("berries", ["berry"]), ("glass bus", ["glass", "bus"]), ("thé", ["the"])],
)
def test_split_terms(text: str, keys: list[str]) -> None:
    assert split_terms(text) == keys
