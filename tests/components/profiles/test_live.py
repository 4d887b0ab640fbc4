"""Live profiles equal batch profiles; bounded, immutable states."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import EVENTS, Catalogue
from components.errors import ContractError
from components.profiles import facts
from components.profiles.live import (
    ItemAttributes,
    LiveProfiles,
    ProfileEvent,
    ProfileState,
    ReviewEvent,
    SearchEvent,
    SocialEvent,
    item_attributes,
)
from components.profiles.users import user_profiles
from components.times import DAY_US, to_micros
from tests.components.profiles.small import CUT, START, by_id, day, event, product, profile_params, shop

PARAMS = profile_params(windows_days="[3, 10]", horizon_days=60, half_life_days=4, top=3)
PRODUCTS = [
    product("a", 10.0, "Kitchen > Pans", brand="Lumora"),
    product("b", 10.0, "Kitchen > Pots", brand="露漫"),
    product("c", 0.1, "Kitchen > Woks", brand="Lumora"),
    product("d", 5.0, "茶 > 红茶"),
    product("e", 7.0),
    product("f", None, "Office", brand=" "),
]
PANS = {"a": ItemAttributes("Pans", "Lumora", 0.25)}
AT = st.one_of(st.integers(0, 110).map(float), st.floats(0, 110))  # days: ties, and the cut itself at 100
WHO = st.sampled_from(["ann", "bob", None])
EVENT = st.fixed_dictionaries({
    "user_id": WHO, "item_id": st.sampled_from("abcdefgh"), "timestamp": AT.map(day), "event": st.sampled_from(EVENTS),
    "quantity": st.none() | st.floats(0, 9), "price": st.none() | st.floats(0, 1e6) | st.just(0.1)})  # fmt: skip
REVIEW = st.fixed_dictionaries({
    "user_id": st.sampled_from(["ann", "bob"]), "item_id": st.sampled_from("abc"), "timestamp": AT.map(day),
    "rating": st.none() | st.floats(1, 5), "sentiment": st.none() | st.floats(0, 1)})  # fmt: skip
SEARCH = st.fixed_dictionaries({
    "user_id": WHO, "timestamp": AT.map(day),
    "query": st.sampled_from(["red Pan", "红茶 pan", "ＰＡＮ", "İstanbul ß", " ", "pan wok"]) | st.text(max_size=8),
})  # fmt: skip

SOCIAL = st.fixed_dictionaries({
    "user_id": st.sampled_from(["ann", "bob"]), "timestamp": AT.map(day), "action": st.sampled_from(["follow", "like"]),
    "other_id": st.none() | WHO})  # fmt: skip


def live_row(kind: type, row: dict[str, Any]) -> Any:
    return kind(**{**row, "timestamp": to_micros(row["timestamp"])})


def replay(live: LiveProfiles, user: str, rows: list[Any]) -> ProfileState:
    state = ProfileState(user)
    for row in rows:
        if row.user_id in (user, None):
            state = live.update(state, row)
    return state


def same(rows_by_id: Any, wanted: Any) -> bool:
    """Compare profiles: numbers to 1e-9, lists in their order."""
    if isinstance(wanted, dict) and rows_by_id is not None:
        return list(rows_by_id) == list(wanted) and all(same(rows_by_id[k], v) for k, v in wanted.items())
    if isinstance(wanted, list) and rows_by_id is not None:
        return len(rows_by_id) == len(wanted) and all(map(same, rows_by_id, wanted))
    if isinstance(wanted, float):
        return bool(rows_by_id == pytest.approx(wanted, rel=1e-9, abs=1e-9))
    return bool(rows_by_id == wanted)


@settings(max_examples=20, deadline=None)
@given(
    events=st.lists(EVENT, max_size=25), reviews=st.lists(REVIEW, max_size=4), searches=st.lists(SEARCH, max_size=5),
    social=st.lists(SOCIAL, max_size=5), order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_live_profiles_equal_batch_profiles(
    events: list[Any], reviews: list[Any], searches: list[Any], social: list[Any], order: Any
) -> None:
    tables = shop(PRODUCTS, events, reviews, searches, social)
    wanted = by_id(user_profiles(tables, CUT, PARAMS))
    known = {i: ItemAttributes(r["category"], r["brand"], r["price_percentile"])
             for i, r in by_id(facts.items(tables, CUT)).items()}  # fmt: skip
    live = LiveProfiles(PARAMS, known)
    rows = [live_row(ProfileEvent, r) for r in events] + [live_row(ReviewEvent, r) for r in reviews]
    rows += [live_row(SearchEvent, r) for r in searches] + [live_row(SocialEvent, r) for r in social]
    past = [row for row in rows if row.timestamp < to_micros(CUT)]
    order.shuffle(past)  # rows may arrive late
    for user in ("ann", "bob"):
        state = replay(live, user, past)
        assert same(live.profile(state, to_micros(CUT)), wanted.get(user))


@pytest.fixture
def live() -> LiveProfiles:
    return LiveProfiles(PARAMS, PANS)


def us(n: float) -> int:
    return to_micros(START) + round(n * DAY_US)


def view(at: float, user: str | None = "ann", kind: str = "view") -> ProfileEvent:
    return ProfileEvent(user, "a", us(at), kind, price=2.0)


def test_windows_advance_without_an_event(live: LiveProfiles) -> None:
    state = live.update(ProfileState("ann"), view(50, kind="purchase"))
    seen = {n: live.profile(state, us(n)) for n in (50.5, 53, 53.5, 60.5, 110.5)}
    counts = [(p["purchase_3d"], p["purchase_10d"], p["frequency"], p["value"], p["recency_days"])
            for p in seen.values() if p]  # fmt: skip
    assert counts == [(1, 1, 1, 2, 0.5), (1, 1, 1, 2, 3), (0, 1, 1, 2, 3.5), (0, 0, 1, 2, 10.5), (0, 0, 0, None, 60.5)]
    assert seen[53.5] is not None
    assert seen[53.5]["categories"] == [{"name": "Pans", "share": 1.0}]


def test_an_event_counts_only_after_its_time(live: LiveProfiles) -> None:
    state = live.update(live.update(ProfileState("ann"), view(50)), view(51))
    assert live.profile(state, us(50)) is None
    at_51 = live.profile(state, us(51))
    assert at_51 is not None
    assert (at_51["view_3d"], at_51["recency_days"]) == (1, 1.0)


def test_a_state_is_immutable_and_bounded(live: LiveProfiles) -> None:
    old = live.update(ProfileState("ann"), view(1))
    state = old
    for n in range(2, 400):
        state = live.update(state, view(n))
    assert len(state.facts["view"]) == 61  # the horizon, both ends
    assert len(old.facts["view"]) == 1
    profile = live.profile(state, us(400))
    assert profile is not None
    assert (profile["tenure_days"], profile["view_10d"]) == (399.0, 10)
    with pytest.raises(ContractError, match="were dropped"):
        live.profile(state, us(100))
    late = live.update(state, view(0.5))
    assert live.profile(late, us(400)) == {**profile, "tenure_days": 399.5}


def test_anonymous_rows_are_ignored_and_wrong_ones_refused(live: LiveProfiles) -> None:
    state = live.update(ProfileState("ann"), view(1))
    assert live.update(state, view(2, user=None)) is state
    with pytest.raises(ContractError, match="another user"):
        live.update(state, view(2, user="bob"))
    with pytest.raises(ContractError, match="expected an event of view"):
        live.update(state, view(2, kind="veiw"))


def test_a_user_with_no_event_has_no_profile(live: LiveProfiles) -> None:
    state = live.update(ProfileState("ann"), SearchEvent("ann", us(3), "pan"))
    assert live.profile(state, us(4)) is None
    assert (
        by_id(user_profiles(shop(searches=[{"user_id": "ann", "timestamp": day(3), "query": "pan"}]), CUT, PARAMS))
        == {}
    )
    assert list(by_id(user_profiles(shop(events=[event("ann", "a", 3)]), CUT, PARAMS))) == ["ann"]


def test_price_percentiles_are_those_of_the_top_category() -> None:
    items = Catalogue(
        item_id=["", "a", "b", "c", "d", "e"],
        title=[""] * 6,
        text=[""] * 6,
        brand=["", "X", " ", "", "", ""],
        category=["", "Home > Tea", "Home > Tea", "Home", "Toys", ""],
        language=[""] * 6,
        price=np.array([np.nan, 1, 3, 3, np.nan, 9], np.float32),
    )
    found = item_attributes(items)
    assert found["a"].price_percentile == pytest.approx(1 / 6)
    assert found["b"].price_percentile == found["c"].price_percentile == pytest.approx(2 / 3)
    assert found["d"].price_percentile is None
    assert found["e"].price_percentile is None
    assert (found["a"].brand, found["b"].brand, found["a"].category) == ("X", None, "Home > Tea")
    assert json.dumps(found["b"].category) == '"Home > Tea"'


def test_attributes_of_a_catalogue_are_those_of_the_facts() -> None:
    from_facts = {
        row["item_id"]: ItemAttributes(row["category"], row["brand"], row["price_percentile"])
        for row in by_id(facts.items(shop(PRODUCTS), CUT)).values()
    }
    names = ("item_id", "title", "text", "brand", "category", "language")
    columns = {name: ["", *(row.get(name) or "" for row in PRODUCTS)] for name in names}
    price = [np.nan, *(np.nan if row["price"] is None else row["price"] for row in PRODUCTS)]
    assert item_attributes(Catalogue(**columns, price=np.array(price, np.float32))) == from_facts
