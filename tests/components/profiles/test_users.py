"""A user's profile computed by hand; later rows do not change it."""

from typing import Any

import pytest
from hypothesis import given, settings

from components.profiles.definitions import user_aggregates, user_top_names
from components.profiles.users import user_profiles
from tests.components.profiles.small import CUT, FUTURE, by_id, day, event, file, product, profile_params, shop

PARAMS = profile_params(windows_days="[7, 30]", horizon_days=90, half_life_days=10, top=2)
PRODUCTS = [
    product("pan", 10.0, "Kitchen > Pans", brand="Lumora"),
    product("pot", 30.0, "Kitchen > Pots", brand="Lumora"),
    product("wok", 30.0, "Kitchen > Woks"),
    product("tea", 5.0, "茶 > 红茶", brand="露漫"),
    product("odd", 7.0),
]
EVENTS = [
    event("ann", "pan", 99, "view"),
    event("ann", "pan", 93, "view"),  # exactly 7 days before the cut: in the window
    event("ann", "tea", 92, "view"),
    event("ann", "pot", 89, "purchase", price=30.0, quantity=2.0),
    event("ann", "tea", 99, "purchase", price=4.5),  # no quantity: one piece
    event("ann", "odd", 99, "purchase"),  # no price: money unknown
    event("ann", "pot", 95, "return", price=30.0, quantity=1.0),
    event("ann", "pan", 5, "purchase", price=99.0),  # beyond the horizon
    event(None, "pan", 99, "purchase", price=10.0),
    event("bob", "gone", 90, "view"),
    event("cai", "pan", 100, "view"),  # at the cut: excluded
]
REVIEWS = [
    {"user_id": "ann", "item_id": "pan", "timestamp": day(50), "rating": 5.0},
    {"user_id": "ann", "item_id": "pot", "timestamp": day(60), "rating": 2.0},
    {"user_id": "dan", "item_id": "pot", "timestamp": day(60), "rating": 2.0},
]
SEARCHES = [
    {"user_id": "ann", "timestamp": day(90), "query": "Red  PAN"},
    {"user_id": "ann", "timestamp": day(80), "query": "红茶"},
    {"user_id": None, "timestamp": day(99), "query": "wok"},
]


@pytest.fixture(scope="module")
def profiles() -> dict[str, dict[str, Any]]:
    return by_id(user_profiles(shop(PRODUCTS, EVENTS, REVIEWS, SEARCHES), CUT, PARAMS))


def test_users_are_those_with_an_event_before_the_cut(profiles: dict[str, Any]) -> None:
    assert set(profiles) == {"ann", "bob"}
    wanted = ["user_id", *(n.name for n in user_aggregates(PARAMS)), *(n.name for n in user_top_names())]
    assert list(profiles["ann"]) == wanted


def test_counts_and_ages(profiles: dict[str, Any]) -> None:
    ann = profiles["ann"]
    assert (ann["recency_days"], ann["tenure_days"]) == (1.0, 95.0)
    assert (ann["view_7d"], ann["view_30d"], ann["purchase_7d"], ann["purchase_30d"]) == (2, 3, 2, 3)
    assert (ann["frequency"], ann["return_7d"], ann["cart_30d"]) == (3, 1, 0)
    assert (ann["n_reviews"], ann["n_searches"]) == (2, 2)


def test_money_and_levels(profiles: dict[str, Any]) -> None:
    ann = profiles["ann"]
    assert ann["value"] == pytest.approx(60.0 + 4.5 - 30.0, abs=1e-9)
    # percentiles: pot (1 + 2/2) / 3 of Kitchen's 10, 30, 30; tea 1/2, alone in its category; odd has none
    assert ann["price_level"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-9)
    assert ann["sentiment"] == pytest.approx((1.0 + 0.25) / 2, abs=1e-9)


def test_lists_decay_and_hold_the_largest_shares(profiles: dict[str, Any]) -> None:
    """ann's newest fact with a category is of day 99. Weights .3 for a view, 1 for a purchase, halved in ten days."""
    pans, teas = 0.3 * (1 + 0.5**0.6), 1.0 + 0.3 * 0.5**0.7
    pots = 0.5**1.0
    total = pans + teas + pots
    assert profiles["ann"]["categories"] == [
        {"name": "茶 > 红茶", "share": pytest.approx(teas / total, abs=1e-9)},
        {"name": "Kitchen > Pots", "share": pytest.approx(pots / total, abs=1e-9)},
    ]
    assert profiles["ann"]["brands"][0] == {"name": "露漫", "share": pytest.approx(teas / total, abs=1e-9)}
    assert profiles["ann"]["brands"][1] == {"name": "Lumora", "share": pytest.approx((pans + pots) / total, abs=1e-9)}
    terms = profiles["ann"]["search_terms"]
    assert terms == [{"name": n, "share": pytest.approx(0.4, abs=1e-9)} for n in ("pan", "red")]


def test_undefined_values_are_null(profiles: dict[str, Any]) -> None:
    bob = profiles["bob"]
    undefined = ("value", "price_level", "sentiment", "categories", "brands", "search_terms")
    assert [bob[c] for c in undefined] == [None] * len(undefined)
    assert (bob["frequency"], bob["view_30d"], bob["n_reviews"]) == (0, 1, 0)


def test_a_sentiment_column_takes_precedence_over_the_rating() -> None:
    reviews = [{**REVIEWS[0], "sentiment": 0.2}, {**REVIEWS[1], "sentiment": None}]
    ann = by_id(user_profiles(shop(PRODUCTS, EVENTS, reviews), CUT, PARAMS))["ann"]
    assert ann["sentiment"] == pytest.approx((0.2 + 0.25) / 2, abs=1e-9)


PAST = {"products": PRODUCTS, "events": EVENTS[:-1], "reviews": REVIEWS, "searches": SEARCHES}


@pytest.fixture(scope="module")
def before() -> bytes:
    return file(user_profiles(shop(**PAST), CUT, PARAMS))


@settings(max_examples=8, deadline=None)
@given(future=FUTURE)
def test_rows_at_or_after_the_cut_do_not_change_a_profile(
    before: bytes, future: dict[str, list[dict[str, Any]]]
) -> None:
    world = shop(**{name: [*rows, *future[name]] for name, rows in PAST.items()})
    assert file(user_profiles(world, CUT, PARAMS)) == before
