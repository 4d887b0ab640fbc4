"""An item's profile computed by hand; later rows do not change it."""

from typing import Any

import pytest
from hypothesis import given, settings

from components.profiles.definitions import item_aggregates, item_derived_columns
from components.profiles.items import item_profiles
from tests.components.profiles.small import CUT, FUTURE, by_id, day, event, file, product, profile_params, shop

PARAMS = profile_params(windows_days="[7, 30]", horizon_days=90, prior=4)
PAST: dict[str, Any] = {
    "products": [
        product("pan", 10.0, "Kitchen > Pans", timestamp=day(20)),
        product("pot", 30.0, "Kitchen > Pots", timestamp=day(40)),
        product("tea", 5.0, "茶 > 红茶"),
        product("pen", None, "Office"),
    ],
    "events": [
        event("ann", "pan", 15, "view"),  # before its product row's time: first seen here
        event("ann", "pan", 99, "view"),
        event("ann", "pan", 99.5, "purchase", price=10.0),
        event("ann", "pan", 99.6, "purchase", price=10.0),
        event("bob", "pan", 80, "click"),
        event("cai", "pan", 98, "impression"),  # shown, not visited
        event(None, "pan", 97, "purchase", session_id="s1"),
        event(None, "pan", 97, "view", session_id="s1"),
        event(None, "pan", 97, "view"),  # anonymous
        event("ann", "pan", 99.9, "return"),
        event("bob", "pot", 60, "view"),
        event("bob", "old", 2, "purchase"),  # beyond the horizon, in no product row
    ],
    "reviews": [
        {"user_id": "ann", "item_id": "pan", "timestamp": day(50), "rating": 4.0},
        {"user_id": "ann", "item_id": "tea", "timestamp": day(60), "rating": 1.0},
    ],
    "searches": [],
}


@pytest.fixture(scope="module")
def profiles() -> dict[str, dict[str, Any]]:
    return by_id(item_profiles(shop(**PAST), CUT, PARAMS))


def test_each_known_item_has_a_row(profiles: dict[str, Any]) -> None:
    assert set(profiles) == {"pan", "pot", "tea", "pen", "old"}
    assert list(profiles["pan"]) == ["item_id", *(c.name for c in [*item_aggregates(PARAMS), *item_derived_columns()])]


def test_the_age_of_an_item_starts_at_its_first_event_or_listing(profiles: dict[str, Any]) -> None:
    ages = {item: row["age_days"] for item, row in profiles.items()}
    assert ages == {"pan": 85.0, "pot": 60.0, "tea": None, "pen": None, "old": 98.0}


def test_popularity_includes_anonymous_events(profiles: dict[str, Any]) -> None:
    pan = profiles["pan"]
    assert (pan["purchase_7d"], pan["view_7d"], pan["impression_7d"], pan["click_7d"]) == (3, 3, 1, 0)
    assert pan["popularity_7d"] == pytest.approx(3 * 1.0 + 3 * 0.3, abs=1e-9)
    assert pan["popularity_30d"] == pytest.approx(3 * 1.0 + 4 * 0.3, abs=1e-9)
    assert (profiles["tea"]["popularity_30d"], profiles["tea"]["view_30d"]) == (0.0, 0)


def test_conversion_is_buyers_per_visitor_smoothed(profiles: dict[str, Any]) -> None:
    """pan: ann and s1 bought, bob viewed; pot: bob viewed. The shop's rate is 2 of 4."""
    assert profiles["pan"]["conversion"] == pytest.approx((2 + 4 * 0.5) / (3 + 4), abs=1e-9)
    assert profiles["pot"]["conversion"] == pytest.approx((0 + 4 * 0.5) / (1 + 4), abs=1e-9)
    assert [profiles[i]["conversion"] for i in ("tea", "pen", "old")] == [None] * 3


def test_returns_sentiment_and_price(profiles: dict[str, Any]) -> None:
    pan, pot, pen = (profiles[i] for i in ("pan", "pot", "pen"))
    assert pan["return_share"] == pytest.approx((1 + 4 / 3) / (3 + 4), abs=1e-9)
    assert (pot["return_share"], pan["sentiment"], pot["sentiment"]) == (None, 0.75, None)
    assert (pan["price_position"], pot["price_position"], profiles["tea"]["price_position"]) == (0.25, 0.75, 0.5)
    assert (pot["price"], pen["price"], pen["price_position"]) == (30.0, None, None)


@pytest.fixture(scope="module")
def before() -> bytes:
    return file(item_profiles(shop(**PAST), CUT, PARAMS))


@settings(max_examples=10, deadline=None)
@given(future=FUTURE)
def test_rows_at_or_after_the_cut_do_not_change_a_profile(
    before: bytes, future: dict[str, list[dict[str, Any]]]
) -> None:
    world = shop(**{name: [*rows, *future[name]] for name, rows in PAST.items()})
    assert file(item_profiles(world, CUT, PARAMS)) == before
