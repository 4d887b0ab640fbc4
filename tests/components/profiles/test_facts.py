"""What is known before the cut, and in what amounts."""

from datetime import timedelta

import pytest

from components.profiles import facts
from components.profiles.definitions import UNIT
from components.times import to_micros
from tests.components.profiles.small import CUT, by_id, event, knobs, product, shop


def test_items_of_the_cut_or_later_are_not_known() -> None:
    times = {"never": None, "before": CUT - timedelta(microseconds=1), "at": CUT, "after": CUT + timedelta(days=1)}
    products = [product(name, 1.0, "A", timestamp=time) for name, time in times.items()]
    assert set(by_id(facts.items(shop(products), CUT))) == {"never", "before"}


def test_price_percentiles_are_within_the_top_category() -> None:
    prices = {"a": 1.0, "b": 2.0, "c": 2.0, "d": 9.0, "e": None}
    products = [product(n, p, "Tea > Green" if n in "ab" else "Tea > Black") for n, p in prices.items()]
    products += [product("pan", 5.0, "Kitchen"), product("odd", 5.0), product("blank", 5.0, " ")]
    came = {n: row["price_percentile"] for n, row in by_id(facts.items(shop(products), CUT)).items()}
    assert came == {"a": 0.125, "b": 0.5, "c": 0.5, "d": 0.875, "e": None, "pan": 0.5, "odd": None, "blank": None}


def test_amounts_are_whole_numbers_of_a_unit() -> None:
    rows = [
        event("ann", "a", 1, "purchase", price=1e9, quantity=1e6),
        event("bob", "a", 1, "return", price=2.5),
        event("cai", "gone", 1, "view"),
    ]
    came = by_id(facts.events(shop([product("a", 1.0, "茶 > 红茶", brand=" ")], rows), CUT, knobs()))
    money = {user: row["money"] for user, row in came.items()}
    assert money == {"ann": int(1e15 * UNIT), "bob": int(-2.5 * UNIT), "cai": None}
    assert (came["ann"]["category"], came["ann"]["brand"]) == ("茶 > 红茶", None)
    assert (came["cai"]["category"], came["cai"]["price_percentile"]) == (None, None)
    assert float(came["cai"]["weight"]) / UNIT == pytest.approx(0.3, abs=1e-9)


def test_microseconds_reach_the_database_whole() -> None:
    time = CUT - timedelta(microseconds=1)
    came = by_id(facts.events(shop(events=[{**event("ann", "a", 0), "timestamp": time}]), CUT, knobs()))
    assert came["ann"]["at"] == to_micros(CUT) - 1


def test_words_of_searches_each_make_a_row() -> None:
    searches = [
        {"user_id": "ann", "timestamp": CUT - timedelta(days=1), "query": "Red 红茶"},
        {"user_id": "bob", "timestamp": CUT - timedelta(days=1), "query": " "},
        {"user_id": None, "timestamp": CUT - timedelta(days=1), "query": "pan"},
        {"user_id": "ann", "timestamp": CUT, "query": "late"},
    ]
    rows = facts.search_terms(shop(searches=searches), CUT).to_pyarrow().to_pylist()
    assert sorted((r["user_id"], r["terms"]) for r in rows) == [("ann", "red"), ("ann", "红茶")]
