"""Words in products: fields weigh, plurals meet, wrong letters are forgiven, and both languages are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import Catalogue
from components.params import SearchParams
from components.search.lexical import MOST, Lexical, terms


def best(lexical: Lexical, params: SearchParams, query: str, k: int = 3) -> list[int]:
    scores, _ = lexical.scores(query, len(lexical.items), params)
    return [int(i) for i in np.argsort(-scores, kind="stable")[:k] if scores[i] > 0]


@pytest.fixture
def lexical(catalogue: Catalogue, params: SearchParams) -> Lexical:
    return Lexical.build(catalogue, params)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("teapot", [1, 2]),
        ("Teapots!", [1, 2]),
        ("red teapot", [1, 2, 4]),
        ("brushes", [3]),
        ("tea", [1, 2]),  # people see results while they type
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
def test_what_is_found(lexical: Lexical, params: SearchParams, query: str, found: list[int]) -> None:
    assert best(lexical, params, query) == found


def test_what_stood_in_is_told(lexical: Lexical, params: SearchParams) -> None:
    assert lexical.scores("taepot", 6, params)[1] == ["teapot"]
    assert lexical.scores("teapot", 6, params)[1] == []


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
    assert best(Lexical.build(items, params), params, "lamp") == [1, 2]


def test_an_empty_catalogue_finds_nothing(params: SearchParams) -> None:
    nothing = Catalogue([""], [""], [""], [""], [""], [""], np.zeros(1, np.float32))
    assert Lexical.build(nothing, params).scores("anything", 0, params)[0].tolist() == [0]


@given(text=st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_query(params: SearchParams, text: str) -> None:
    items = Catalogue(["", "a"], ["", "red 茶壶"], ["", "x"], [""] * 2, [""] * 2, [""] * 2, np.zeros(2, np.float32))
    scores, _ = Lexical.build(items, params).scores(text, 1, params)
    assert np.isfinite(scores).all()
    assert scores[0] == 0


def test_a_long_query_is_cut(lexical: Lexical, params: SearchParams) -> None:
    assert best(lexical, params, "x " * 300 + "teapot") == []
    assert MOST < 100


@pytest.mark.parametrize(
    ("text", "folded"),
    [("dresses boxes", ["dress", "box"]), ("berries", ["berry"]), ("glass bus", ["glass", "bus"]), ("gas", ["gas"])],
)
def test_plurals(text: str, folded: list[str]) -> None:
    assert terms(text) == folded
