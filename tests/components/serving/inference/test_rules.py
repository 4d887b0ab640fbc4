"""Rules over products: what they match, and that any other text is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import Catalogue
from components.rule_language import RuleError
from components.serving.inference import rules
from components.serving.inference.rules import CatalogueFilter, mmr_rerank
from components.serving.schemas import Filters

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
        ("not price < 50", [2]),  # nor the opposite of one
        ("price in (10, 0)", [1, 5]),
        ("price not in (10, 0)", [2, 3]),
        ("price not in ()", [1, 2, 3, 5]),
        ("price == None", [4]),
        ("price < 20 or price == None", [1, 4, 5]),
        ("price not in (10, None)", [2, 3, 5]),
        ('not (price < 20 and brand == "X")', [2, 3, 5]),  # 4: unknown and unknown
        ('price < 20 or brand != "Y"', [1, 3, 5]),
        ("price > -1", [1, 2, 3, 5]),
        ('price < 50 and brand != "X"', [5]),
        ('brand == "X" or brand == "Y"', [1, 2, 3]),
        ("brand in ['X', 'Y']", [1, 2, 3]),
        ('brand not in ("X",)', [2, 5]),
        ('brand != "X"', [2, 5]),
        ('brand != "X" or brand == None', [2, 4, 5]),
        ('not brand == "X"', [2, 5]),
        ('brand in ("X")', [1, 3]),
        ('brand == ""', [4]),
        ('brand in ("", "Y")', [2, 4]),
        ('brand != ""', [1, 2, 3, 5]),
        ('brand not in (None, "Y")', [1, 3, 5]),
        ('"x" not in brand', [2]),
        ('category == "Home"', [1, 2, 4]),
        ('category == "Home > Kitchen"', [2, 4]),
        ('category in ("Home > Kitchen", "Homeware", "Home > K")', [2, 3, 4]),
        ('category not in ("Home", "Homeware")', []),  # 5 has none
        ('category not in ("Home > Kitchen",)', [1, 3]),
        ('language == "zh" and "茶" in title', [3]),
        ('"POT" in title', [1, 2]),
        ("'\"quoted\"' in title", [4]),
        ('(item_id == "p1" or item_id == "p2") and not (price > 20)', [1]),
    ],
)
def test_a_rule_matches_products(catalogue_filter: CatalogueFilter, rule: str, listed: list[int]) -> None:
    assert np.flatnonzero(catalogue_filter.rule_mask(rule)).tolist() == listed


@given(st.text(max_size=60) | st.text("price brandcategory()<>=!\"'inotd1. ,", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    empty = CatalogueFilter(Catalogue([""], [""], [""], [""], [""], [""], np.array([NAN], np.float32)), {})
    try:
        mask = empty.rule_mask(text)
    except RuleError:
        return
    assert mask.tolist() == [False]


PRICES = [NAN, 19.99, 20.1, 19.98, NAN, 0.1, 1e-3, 16_777_216.0]


@pytest.mark.parametrize(
    ("rule", "listed"),
    [
        ("price in (19.99, 20.1)", [1, 2]),
        ("price == 19.99 or price == 20.1", [1, 2]),
        ("price not in (19.99, 20.1)", [3, 5, 6, 7]),
        ("not price in (19.99, 20.1)", [3, 5, 6, 7]),
        ("price in (0.1, 0.001, 7)", [5, 6]),
        ("price <= 19.99 and price >= 19.99", [1]),
        ("19.98 < price < 20.1", [1]),
        ("price != 20.1", [1, 3, 5, 6, 7]),
        ("price < 1e300", [1, 2, 3, 5, 6, 7]),
    ],
)
def test_prices_are_compared_as_they_are_stored(rule: str, listed: list[int]) -> None:
    n = len(PRICES)
    texts = [""] * n
    catalogue = Catalogue(texts, texts, texts, texts, texts, texts, np.array(PRICES, np.float32))
    own = CatalogueFilter(catalogue, {})
    assert np.flatnonzero(own.rule_mask(rule)).tolist() == listed
    bounds = own.allowed(Filters(min_price=19.99, max_price=20.1), [], [])
    assert bounds is not None
    assert np.flatnonzero(bounds).tolist() == [1, 2]


FIELD = st.sampled_from([("price", [None, 10.0, 50.0]), ("brand", [None, "X", "Y", "Z"])])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, object]:
    """Draw a rule, and a function that says by SQL's logic whether a (price, brand) fulfils it: True, False, None."""
    kind = draw(st.sampled_from(["compare", "not", "and", "or"] if depth else ["compare"]))
    if kind == "compare":
        at, (name, constants) = draw(st.tuples(st.integers(0, 1), FIELD))
        value = draw(st.sampled_from(constants[1:]))
        position = 0 if name == "price" else 1
        text, equal = repr(value), bool(at)
        sign = "==" if equal else "!="
        return f"{name} {sign} {text}", lambda row: None if row[position] is None else (row[position] == value) == equal
    text, inner = draw(expressions(depth - 1))
    if kind == "not":
        return f"not ({text})", lambda row: None if inner(row) is None else not inner(row)  # type: ignore[operator]
    other_text, other = draw(expressions(depth - 1))
    decisive = kind == "or"

    def joined(row: tuple[object, object]) -> bool | None:
        values = {inner(row), other(row)}  # type: ignore[operator]
        return decisive if decisive in values else None if None in values else not decisive

    return f"({text}) {kind} ({other_text})", joined


@given(expressions())
@settings(max_examples=300, deadline=None)
def test_rules_follow_the_logic_of_sql(drawn: tuple[str, object]) -> None:
    rule, fulfils = drawn
    rows = [(price, brand) for price in (None, 10.0, 50.0) for brand in (None, "X", "Y")]
    n = len(rows) + 1
    catalogue = Catalogue(
        item_id=[""] * n,
        title=[""] * n,
        text=[""] * n,
        brand=["", *(brand or "" for _, brand in rows)],
        category=[""] * n,
        language=[""] * n,
        price=np.array([NAN, *(NAN if price is None else price for price, _ in rows)], np.float32),
    )
    listed = np.flatnonzero(CatalogueFilter(catalogue, {}).rule_mask(rule)).tolist()
    assert listed == [i for i, row in enumerate(rows, start=1) if fulfils(row) is True]  # type: ignore[operator]


def test_costly_rules_are_refused_before_any_is_evaluated(
    catalogue_filter: CatalogueFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[str] = []
    match = rules._TextColumn.match
    monkeypatch.setattr(
        rules._TextColumn, "match", lambda self, comparison: evaluated.append(self.name) or match(self, comparison)
    )
    searches = [" or ".join(f'"{n}{m}" in title' for m in range(5)) for n in range(8)]
    assert catalogue_filter.allowed(Filters(rules=searches), [], []) is not None
    assert len(evaluated) == rules.MAX_TEXT_SEARCHES
    with pytest.raises(RuleError, match=r"at most 40 searches such as .* got 41; name the values"):
        catalogue_filter.allowed(Filters(rules=[*searches, '"z" not in brand']), [], [])
    many = [" or ".join(f"price<{n}" for n in range(40))] * 11
    with pytest.raises(RuleError, match=r"at most 400 comparisons in all rules of a request, got 440"):
        catalogue_filter.allowed(Filters(rules=many), [], [])
    assert len(evaluated) == rules.MAX_TEXT_SEARCHES
    assert catalogue_filter.allowed(Filters(rules=searches), [], []) is not None
    assert len(evaluated) == rules.MAX_TEXT_SEARCHES  # masks of the same rules are kept


def test_equality_looks_values_up_and_compares_no_text() -> None:
    class Counted(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    n = 4000
    values = ["", *(Counted(f"b{i:05d}") for i in range(n))]
    texts = [""] * (n + 1)
    own = CatalogueFilter(Catalogue(texts, texts, texts, values, texts, texts, np.full(n + 1, NAN, np.float32)), {})
    own.prepare()
    Counted.compared = 0
    names = ", ".join(f'"b{i:05d}"' for i in range(0, 40))
    assert own.rule_mask(f"brand in ({names})").sum() == 40
    assert Counted.compared <= 40 * 20  # 40 x log2(4000) and a few; reading all would take 160,000


def test_mmr_takes_the_best_first_and_avoids_similar_ones() -> None:
    vectors = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    order, scores = np.array([1, 2, 4, 3], np.int32), np.array([4, 3, 2, 1], np.float32)
    assert order[mmr_rerank(order, scores, vectors, 4, 0.0)].tolist() == [1, 2, 4, 3]
    assert order[mmr_rerank(order, scores, vectors, 2, 0.7)].tolist() == [1, 3]
    assert order[mmr_rerank(order, np.ones(4, np.float32), vectors, 2, 0.5)].tolist() == [1, 3]
