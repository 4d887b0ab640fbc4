"""Rules over products: what they match, and that any other text is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import Catalogue
from components.serving.inference.rules import CatalogueFilter, RuleError, mmr_rerank

NAN = float("nan")


@pytest.fixture(scope="module")
def catalogue_filter() -> CatalogueFilter:
    n = 5
    return CatalogueFilter(
        Catalogue(
            item_id=["", *(f"p{i}" for i in range(1, n + 1))],
            title=["", "Red pot", "green Pot", "红茶壶", 'a "quoted" pan', "pan"],
            text=[""] * (n + 1),
            brand=["", "X", "Y", "X", "", "X Y"],
            category=["", "Home", "Home > Kitchen", "Homeware", "Home > Kitchen > Pots", ""],
            language=["", "en", "en", "zh", "en", ""],
            price=np.array([NAN, 10, 50, 49.5, NAN, 0], np.float32),
        ),
        {},
    )


@pytest.mark.parametrize(
    ("rule", "listed"),
    [
        ("price < 50", [1, 3, 5]),
        ("50 > price", [1, 3, 5]),
        ("10 <= price <= 49.5", [1, 3]),
        ("price != 10", [2, 3, 5]),  # an unknown price fulfils no comparison
        ("not price < 50", [2, 4]),
        ("price in (10, 0)", [1, 5]),
        ("price > -1", [1, 2, 3, 5]),
        ('price < 50 and brand != "X"', [5]),
        ('brand == "X" or brand == "Y"', [1, 2, 3]),
        ("brand in ['X', 'Y']", [1, 2, 3]),
        ('brand not in ("X",)', [2, 4, 5]),
        ('brand in ("X")', [1, 3]),
        ('brand == ""', [4]),
        ('category == "Home"', [1, 2, 4]),
        ('category == "Home > Kitchen"', [2, 4]),
        ('category not in ("Home", "Homeware")', [5]),
        ('language == "zh" and "茶" in title', [3]),
        ('"POT" in title', [1, 2]),
        ("'\"quoted\"' in title", [4]),
        ('(item_id == "p1" or item_id == "p2") and not (price > 20)', [1]),
    ],
)
def test_a_rule_matches_products(catalogue_filter: CatalogueFilter, rule: str, listed: list[int]) -> None:
    assert np.flatnonzero(catalogue_filter.rule_mask(rule)).tolist() == listed


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "could not be read"),
        ("price <", "could not be read"),
        ("price", "expected a comparison"),
        ("True", "expected a comparison"),
        ("__import__('os').system('true')", "expected a comparison"),
        ("price < __import__('os').getpid()", "a number or a text"),
        ("price < 1 + 1", "a number or a text"),
        ("(lambda: 1)() < price", "expected a field"),
        ("stock > 1", "compared with a text"),
        ('stock == "1"', "no field 'stock'"),
        ('brand < "X"', "compared with =="),
        ('price == "10"', "compared with a number"),
        ("brand == 10", "compared with a text"),
        ("price is None", "expected a field"),
        ("brand.upper() == 'X'", "expected a field"),
        ("price < " + "9" * 600, "500 characters"),
        ("not " * 120 + "price < 1", None),
        ("(" * 240 + "price < 1" + ")" * 240, "could not be read"),
    ],
)
def test_a_text_that_is_no_rule_is_refused_with_position_and_reason(
    catalogue_filter: CatalogueFilter, rule: str, message: str | None
) -> None:
    if message is None:
        assert catalogue_filter.rule_mask(rule) is not None
        return
    with pytest.raises(RuleError, match=message.replace("(", r"\(")):
        catalogue_filter.rule_mask(rule)


@given(st.text(max_size=60) | st.text("price brandcategory()<>=!\"'inotd1. ,", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    empty = CatalogueFilter(Catalogue([""], [""], [""], [""], [""], [""], np.array([NAN], np.float32)), {})
    try:
        mask = empty.rule_mask(text)
    except RuleError:
        return
    assert mask.tolist() == [False]


def test_mmr_takes_the_best_first_and_avoids_similar_ones() -> None:
    vectors = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    order, scores = np.array([1, 2, 4, 3], np.int32), np.array([4, 3, 2, 1], np.float32)
    assert order[mmr_rerank(order, scores, vectors, 4, 0.0)].tolist() == [1, 2, 4, 3]
    assert order[mmr_rerank(order, scores, vectors, 2, 0.7)].tolist() == [1, 3]
    assert order[mmr_rerank(order, np.ones(4, np.float32), vectors, 2, 0.5)].tolist() == [1, 3]
