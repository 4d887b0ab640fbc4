"""Only rows before the cut are facts, with exact amounts."""

from datetime import timedelta

import pytest

from components.profiles import facts
from components.profiles.definitions import UNIT
from components.times import to_micros
from tests.components.profiles.small import CUT, by_id, event, product, profile_params, shop


def test_items_listed_at_or_after_the_cut_are_unknown() -> None:
    times = {"never": None, "before": CUT - timedelta(microseconds=1), "at": CUT, "after": CUT + timedelta(days=1)}
    products = [product(name, 1.0, "A", timestamp=time) for name, time in times.items()]
    assert set(by_id(facts.items(shop(products), CUT))) == {"never", "before"}


def test_price_percentiles_are_within_the_top_category() -> None:
    prices = {"a": 1.0, "b": 2.0, "c": 2.0, "d": 9.0, "e": None}
    products = [product(n, p, "Tea > Green" if n in "ab" else "Tea > Black") for n, p in prices.items()]
    products += [product("pan", 5.0, "Kitchen"), product("odd", 5.0), product("blank", 5.0, " ")]
    rows_by_id = {n: row["price_percentile"] for n, row in by_id(facts.items(shop(products), CUT)).items()}
    assert rows_by_id == {"a": 0.125, "b": 0.5, "c": 0.5, "d": 0.875, "e": None, "pan": 0.5, "odd": None, "blank": None}


def test_amounts_are_whole_multiples_of_the_unit() -> None:
    rows = [
        event("ann", "a", 1, "purchase", price=1e9, quantity=1e6),
        event("bob", "a", 1, "return", price=2.5),
        event("cai", "gone", 1, "view"),
    ]
    rows_by_id = by_id(facts.events(shop([product("a", 1.0, "茶 > 红茶", brand=" ")], rows), CUT, profile_params()))
    money = {user: row["money"] for user, row in rows_by_id.items()}
    assert money == {"ann": int(1e15 * UNIT), "bob": int(-2.5 * UNIT), "cai": None}
    assert (rows_by_id["ann"]["category"], rows_by_id["ann"]["brand"]) == ("茶 > 红茶", None)
    assert (rows_by_id["cai"]["category"], rows_by_id["cai"]["price_percentile"]) == (None, None)
    assert float(rows_by_id["cai"]["weight"]) / UNIT == pytest.approx(0.3, abs=1e-9)


def test_timestamps_keep_their_microseconds() -> None:
    time = CUT - timedelta(microseconds=1)
    rows_by_id = by_id(facts.events(shop(events=[{**event("ann", "a", 0), "timestamp": time}]), CUT, profile_params()))
    assert rows_by_id["ann"]["at"] == to_micros(CUT) - 1


def test_words_of_searches_each_make_a_row() -> None:
    searches = [
        {"user_id": "ann", "timestamp": CUT - timedelta(days=1), "query": "Red 红茶"},
        {"user_id": "bob", "timestamp": CUT - timedelta(days=1), "query": " "},
        {"user_id": None, "timestamp": CUT - timedelta(days=1), "query": "pan"},
        {"user_id": "ann", "timestamp": CUT, "query": "late"},
    ]
    rows = facts.search_terms(shop(searches=searches), CUT).to_pyarrow().to_pylist()
    assert sorted((r["user_id"], r["terms"]) for r in rows) == [("ann", "red"), ("ann", "红茶")]
