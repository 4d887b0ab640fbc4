"""Fields have weights, plurals match singulars, typos are corrected, and both languages are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import Catalogue
from components.params import SearchParams
from components.search.lexical import LexicalIndex
from components.search.matching import MAX_QUERY_WORDS, match_words
from components.search.terms import split_terms


def best(lexical: LexicalIndex, params: SearchParams, query: str, k: int = 3) -> list[int]:
    scores = match_words(lexical, query, len(lexical.items), params).scores
    return [int(i) for i in np.argsort(-scores, kind="stable")[:k] if scores[i] > 0]


@pytest.fixture
def lexical(catalogue: Catalogue, params: SearchParams) -> LexicalIndex:
    return LexicalIndex.build(catalogue, params)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("teapot", [1, 2]),
        ("Teapots!", [1, 2]),
        ("red teapot", [1, 2, 4]),
        ("brushes", [3]),
        ("tea", [1, 2]),  # the beginning of a word, while the user still types
        ("茶壶", [5, 6]),
        ("红茶壶", [5, 6]),
        ("壶", [5, 6]),
        ("Ａｃｍｅ", [1]),
        ("teapto", [1, 2]),
        ("taepot", [1, 2]),
        ("teaapot", [1, 2]),
        ("scrwdriver", [4]),
        ("the of and", []),
        ("", []),
        ("zzzzzz", []),
        ("?!…🙂", []),
    ],
)
def test_queries_find_the_expected_products(
    lexical: LexicalIndex, params: SearchParams, query: str, found: list[int]
) -> None:
    assert best(lexical, params, query) == found


def test_corrections_are_reported(lexical: LexicalIndex, params: SearchParams) -> None:
    assert match_words(lexical, "taepot", 6, params).corrections == ["teapot"]
    assert match_words(lexical, "teapot", 6, params).corrections == []


def test_a_title_weighs_more_than_the_rest(params: SearchParams) -> None:
    items = Catalogue(
        item_id=["", "a", "b"],
        title=["", "lamp", "chair"],
        text=["", "lamp", "chair beside a lamp"],
        brand=[""] * 3,
        category=[""] * 3,
        language=[""] * 3,
        price=np.zeros(3, np.float32),
    )
    assert best(LexicalIndex.build(items, params), params, "lamp") == [1, 2]


def test_an_empty_catalogue_scores_nothing(params: SearchParams) -> None:
    empty = Catalogue([""], [""], [""], [""], [""], [""], np.zeros(1, np.float32))
    assert match_words(LexicalIndex.build(empty, params), "anything", 0, params).scores.tolist() == [0]


@given(text=st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_query(params: SearchParams, text: str) -> None:
    items = Catalogue(["", "a"], ["", "red 茶壶"], ["", "x"], [""] * 2, [""] * 2, [""] * 2, np.zeros(2, np.float32))
    scores = match_words(LexicalIndex.build(items, params), text, 1, params).scores
    assert np.isfinite(scores).all()
    assert scores[0] == 0


def test_a_long_query_is_cut(lexical: LexicalIndex, params: SearchParams) -> None:
    assert best(lexical, params, "x " * 300 + "teapot") == []
    assert MAX_QUERY_WORDS < 100


@pytest.mark.parametrize(
    ("text", "folded"),
    [("dresses boxes", ["dress", "box"]), ("berries", ["berry"]), ("glass bus", ["glass", "bus"]), ("gas", ["gas"])],
)
def test_plurals(text: str, folded: list[str]) -> None:
    assert split_terms(text) == folded
