"""A query finds the product however its words are written: with or without marks, joined or apart, by number."""

import numpy as np
import pytest

from components.contracts import Catalogue
from components.params import SearchParams
from components.search.lexical import MAX_SHARED_PART, LexicalIndex
from components.search.matching import WordMatch, match_words

SHOP = [  # item_id, title, brand; row = item_idx - 1
    ("TP-3310/C", "Jalapeño salsa", "Señor"),
    ("00456", "Smørrebrød board", "Køkken"),
    ("SKU77001", "Gemüse-Schäler", "Küchenhelfer"),
    ("a1b2", "Face pack", "Facile"),
    ("ZX-9", "Air Fryer", "Philips"),
    ("ZX-10", "X-ray poster", "Wall"),
    ("lamp", "Steel bottle 750ml", "Hydra"),
    ("12", "Oak lamp", "Lumen"),
    ("13", "Galaxy S 24 cover", "Casey"),
    ("14", "Hi-Fi speaker", "Sonor"),
    ("15", "Notebook A5", "Paper & Co"),
    ("16", "Чайник ёлочка", "Уют"),
    ("17", "Ladies' scarves", "Wool"),
    ("18", "Glass bottle 1 l", "Hydra"),
    ("19", "HiFi amplifier", "Sonor"),
    ("20", "Chocolate éclair", "Pâtisserie"),
]


def make(rows: list[tuple[str, str, str]]) -> Catalogue:
    return Catalogue(
        item_id=["", *(row[0] for row in rows)],
        title=["", *(row[1] for row in rows)],
        text=["", *(f"{row[1]}. {row[2]}" for row in rows)],
        brand=["", *(row[2] for row in rows)],
        category=[""] * (len(rows) + 1),
        language=[""] * (len(rows) + 1),
        price=np.zeros(len(rows) + 1, np.float32),
    )


@pytest.fixture(scope="module")
def index(params: SearchParams) -> LexicalIndex:
    return LexicalIndex.build(make(SHOP), params)


def match(index: LexicalIndex, query: str, params: SearchParams) -> WordMatch:
    return match_words(index, query, len(SHOP), params)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("jalapeno", 1),
        ("JALAPEÑO", 1),
        ("senor salsa", 1),
        ("smorrebrod", 2),
        ("smoerrebroed", 2),
        ("kokken board", 2),
        ("gemuse schaler", 3),
        ("gemuese", 3),
        ("gemüseschäler", 3),
        ("gemueseschaeler", 3),
        ("чайник елочка", 12),
        ("scarf lady", 13),
        ("lady's scarf", 13),
        ("eclair patisserie", 16),
        ("airfryer", 5),
        ("air-fryer", 5),
        ("xray", 6),
        ("x ray", 6),
        ("750 ml", 7),
        ("750ml bottle", 7),
        ("1l", 14),
        ("galaxy s24", 9),
        ("galaxys24", 9),
        ("note book", 11),
        ("paper and co", 11),
        ("TP-3310/C", 1),
        ("tp3310c", 1),
        ("tp 3310 c", 1),
        ("3310", 1),
        ("tp-3310", 1),
        ("tp 3310", 1),
        ("3310 c", 1),
        ("00456", 2),
        ("sku77001", 3),
        ("77001", 3),
        ("zx9", 5),
        ("lamp", 7),  # an article number, if the whole query is one
        ("12", 8),
    ],
)
def test_the_product_comes_first_and_has_all_words(
    index: LexicalIndex, params: SearchParams, query: str, first: int
) -> None:
    found = match(index, query, params)
    order = np.lexsort((-found.scores, ~found.has_all, ~found.is_id))
    assert order[0] == first
    assert found.has_all[first]
    assert found.corrections == [] or " " in found.corrections[0]  # read as two words, never as another one


def test_all_spellings_of_a_word_find_each_other(index: LexicalIndex, params: SearchParams) -> None:
    for query in ("hifi", "hi-fi", "hi fi", "HiFi"):
        assert np.flatnonzero(match(index, query, params).has_all).tolist() == [10, 15]
        assert match(index, query, params).corrections == []


def test_a_word_that_the_shop_has_is_never_corrected(index: LexicalIndex, params: SearchParams) -> None:
    for word in (*index.words, *(row[1] for row in SHOP), *(row[2] for row in SHOP), *(row[0] for row in SHOP)):
        assert match(index, word, params).corrections == []


def test_corrections_may_have_letters_beyond_ascii_and_do_not_count_as_all_words(
    index: LexicalIndex, params: SearchParams
) -> None:
    found = match(index, "чайнек", params)
    assert found.corrections == ["чайник"]
    assert np.flatnonzero(found.scores).tolist() == [12]
    assert not found.has_all.any()
    assert match(index, "jalapenno", params).corrections == ["jalapeno"]
    assert match(index, "scarfes", params).corrections == ["scarves"]  # as shoppers write it, not the key
    assert match(index, "scraf", params).corrections == ["scarves"]  # the singular, which no product has


def test_a_number_in_a_query_is_no_article_number_first(index: LexicalIndex, params: SearchParams) -> None:
    for query, wanted in (("galaxy s 24 cover", [9]), ("oak lamp", [8]), ("lamp 12", []), ("a5 notebook", [11])):
        found = match(index, query, params)
        assert not found.is_id.any()
        assert np.flatnonzero(found.has_all).tolist() == wanted


def test_ids_do_not_flood_ordinary_queries(params: SearchParams) -> None:
    n = 400
    rows = [(f"SKU-2024-{i:04d}", f"Item {i}", "Any") for i in range(n)] + [("42", "Calendar 2024", "Paper")]
    index = LexicalIndex.build(make(rows), params)
    found = match_words(index, "calendar 2024", len(rows), params)
    assert np.flatnonzero(found.scores).tolist() == [n + 1]  # a part that more than 20 products share says nothing
    assert MAX_SHARED_PART == 20
    assert np.flatnonzero(match_words(index, "sku", len(rows), params).scores).tolist() == []
    assert np.flatnonzero(match_words(index, "sku 2024 0007", len(rows), params).has_all).tolist() == [8]
    assert len(np.flatnonzero(match_words(index, "sku-2024", len(rows), params).scores)) <= 9  # 8 beginnings


def test_the_index_grows_by_the_words_that_are_joined_only(params: SearchParams) -> None:
    apart = [(str(i), f"red bull can of {i} drops", "Barra") for i in range(50)]
    joined = [("x", "redbull", "")]
    terms = set(LexicalIndex.build(make(apart), params).vocabulary)
    assert not {term for term in terms if "redbull" in term or "bullcan" in term}
    assert set(LexicalIndex.build(make(apart + joined), params).vocabulary) - terms == {"redbull", "#x"}


def test_chinese_is_neither_joined_nor_cut(params: SearchParams) -> None:
    index = LexicalIndex.build(make([("1", "红茶壶", ""), ("2", "红酒", ""), ("3", "茶杯", "")]), params)
    assert np.flatnonzero(match_words(index, "红茶", 3, params).has_all).tolist() == [1]
    assert np.flatnonzero(match_words(index, "红 酒", 3, params).has_all).tolist() == [2]
    assert match_words(index, "壶茶", 3, params).corrections == []


def test_repeated_words_and_stop_words_are_not_counted_among_the_words_of_a_query(
    index: LexicalIndex, params: SearchParams
) -> None:
    assert np.flatnonzero(match(index, "the a of " * 12 + "oak " * 12 + "lamp", params).has_all).tolist() == [8]


def test_the_work_of_a_hostile_query_is_bounded(
    index: LexicalIndex, params: SearchParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    find = LexicalIndex.find
    monkeypatch.setattr(LexicalIndex, "find", lambda self, term: looked_up.append(term) or find(self, term))
    for query in ("a-" * 100, "ab" * 100, "a1" * 100, " ".join("q" + chr(97 + i % 26) for i in range(100)), "é" * 200):
        looked_up.clear()
        match(index, query, params)
        assert len(looked_up) < 1500
