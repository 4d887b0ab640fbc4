"""Sums of events: added day by day, with users taken out, they are those of a full fit."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from components.contracts import EVENTS, Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import Params
from components.recommenders.factory import SIMPLE, create, model_class
from components.recommenders.sums import SummedRecommender, TrainingSums, sums_for
from components.times import DAY_US

SUMMED = [name for name in SIMPLE if issubclass(model_class(name), SummedRecommender)]
HALF_LIVES = (14.0, 365.0)
KINDS = ("view", "cart", "purchase", "return")
WEIGHTS = {"view": 0.3, "cart": 0.7, "purchase": 1.0, "return": 1.0}


def random_events(seed: int, n: int = 3000, n_users: int = 40, n_items: int = 20, days: int = 60) -> Interactions:
    rng = np.random.default_rng(seed)
    user, age = rng.integers(0, n_users + 1, n), rng.integers(1, days * DAY_US, n)
    kinds = rng.choice(KINDS, n)
    order = np.lexsort((-age, user))
    return Interactions(
        user_idx=user[order].astype(np.int32),
        item_idx=rng.integers(1, n_items + 1, n).astype(np.int32)[order],
        timestamp=(1000 * DAY_US - age)[order],
        event=np.array([EVENTS.index(kind) for kind in kinds], np.int8)[order],
        weight=np.array([WEIGHTS[kind] for kind in kinds], np.float32)[order],
        n_users=n_users,
        n_items=n_items,
        now=1000 * DAY_US,
    )


def with_shown(events: Interactions, seed: int, n: int = 5000) -> Interactions:
    """Return the events with impressions of as many users and items, and propensities of all sizes."""
    shown = random_events(seed, n, events.n_users, events.n_items)
    weight = np.random.default_rng(seed).random(n).astype(np.float32)
    code = np.full(n, EVENTS.index("impression"), np.int8)
    return replace(events, shown=replace(shown, event=code, weight=weight))


def between(events: Interactions, start: int, end: int) -> Interactions:
    """Return what was done and shown at start <= time < end (us), as of the end."""
    shown = None if events.shown is None else between(events.shown, start, end)
    rows = events.filter((events.timestamp >= start) & (events.timestamp < end))
    return replace(rows, shown=shown, now=end)


def assert_same(one: TrainingSums, other: TrainingSums) -> None:
    assert (one.n_users, one.n_items, one.now) == (other.n_users, other.n_items, other.now)
    np.testing.assert_array_equal(one.cells, other.cells)
    np.testing.assert_array_equal(one.total, other.total)  # exact, not approximately
    np.testing.assert_array_equal(one.count, other.count)
    for days in other.decayed:
        np.testing.assert_allclose(one.decayed[days], other.decayed[days], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(one.popularity(days), other.popularity(days), atol=1e-7)
    assert (one.shown is None) == (other.shown is None)
    if one.shown is not None and other.shown is not None:
        assert not len(one.shown.cells), "what a user was shown is summed by product alone"
        assert_same(replace(one.shown, n_users=0), replace(other.shown, n_users=0))


def without(events: Interactions, users: list[int]) -> Interactions:
    """Return the events as `split` would number them had the users never come."""
    left = events.filter(~np.isin(events.user_idx, users))
    moved = left.user_idx - np.searchsorted(np.array(sorted(users)), left.user_idx)
    shown = None if events.shown is None else without(events.shown, users)
    return replace(left, user_idx=moved.astype(np.int32), n_users=events.n_users - len(users), shown=shown)


def of_users(events: Interactions, users: list[int]) -> Interactions:
    return events.filter_users(np.isin(np.arange(events.n_users + 1), users))


def test_thirty_days_in_a_row_are_a_full_fit() -> None:
    events = with_shown(random_events(1), 11)
    ends = [events.now - n * DAY_US for n in range(30, -1, -1)]
    sums = TrainingSums.of(between(events, 0, ends[0]), HALF_LIVES)
    for start, end in itertools.pairwise(ends):
        sums = sums.add(between(events, start, end))
        assert_same(sums, TrainingSums.of(between(events, 0, end), HALF_LIVES))


@pytest.mark.parametrize("first", [True, False])
def test_a_day_without_impressions_is_like_a_day_on_which_none_was_shown(first: bool) -> None:
    events = with_shown(random_events(6), 12)
    noon = events.now - 20 * DAY_US
    early, late = between(events, 0, noon), between(events, noon, events.now)
    early, late = (replace(early, shown=None), late) if first else (early, replace(late, shown=None))
    shown = (late if first else early).shown
    assert shown is not None
    whole = replace(events, shown=replace(shown, now=events.now))
    assert_same(TrainingSums.of(early, HALF_LIVES).add(late), TrainingSums.of(whole, HALF_LIVES))


def test_a_day_brings_users_and_items() -> None:
    events = random_events(2)
    early = events.timestamp < events.now - 10 * DAY_US
    first = events.filter(early & (events.user_idx <= 30) & (events.item_idx <= 12))
    first = replace(first, n_users=30, n_items=12, now=events.now - 10 * DAY_US)
    rest = events.filter(~(early & (events.user_idx <= 30) & (events.item_idx <= 12)))
    assert_same(TrainingSums.of(first, HALF_LIVES).add(rest), TrainingSums.of(events, HALF_LIVES))


def test_two_hundred_deletions_in_a_row_leave_no_trace() -> None:
    events = with_shown(random_events(3, n=20_000, n_users=300), 13)
    gone = list(range(300, 100, -1))
    sums = TrainingSums.of(events, HALF_LIVES)
    for user in gone:
        sums = sums.subtract(of_users(events, [user]))
    assert_same(sums.drop_users(np.array(gone, np.int32)), TrainingSums.of(without(events, gone), HALF_LIVES))


def test_an_item_whose_only_buyer_is_gone_has_no_popularity(events_of: Callable[..., Interactions]) -> None:
    events = events_of([(1, 1, "purchase", 0.3, 7.1), (1, 2, "view", 0.7, 3.3), (2, 1, "view", 0.1, 9.9)], 2, 2)
    sums = TrainingSums.of(events, [14.0]).subtract(events.filter(events.user_idx == 1))
    assert sums.popularity(14.0).tolist() == [0, 1, 0]
    assert sums.count.tolist() == [0, 1, 0]


def test_an_impression_counts_its_weight(events_of: Callable[..., Interactions]) -> None:
    events = events_of([(1, 1, "purchase", 1.0, 0.0)], 2, 3)
    shown = events_of([(1, 1, "impression", 0.2, 0.0), (2, 2, "impression", 0.4, 14.0)], 2, 3)
    sums = TrainingSums.of(replace(events, shown=shown), [14.0])
    np.testing.assert_allclose(sums.popularity(14.0, with_shown=True), np.array([0, 1.2, 0.2, 0]) / 1.2, rtol=1e-6)
    assert sums.popularity(14.0).tolist() == [0, 1, 0, 0]
    gone = sums.subtract(replace(events, shown=shown).filter_users(np.array([False, False, True])))
    assert gone.popularity(14.0, with_shown=True).tolist() == [0, 1, 0, 0]


def test_events_that_were_never_added_cannot_be_subtracted(events_of: Callable[..., Interactions]) -> None:
    events = events_of([(1, 1, "purchase", 1.0, 1.0), (2, 2, "purchase", 1.0, 1.0)], 2, 2)
    sums = TrainingSums.of(events)
    once = sums.subtract(events.filter(events.user_idx == 1))
    with pytest.raises(ContractError, match="1 events to be subtracted are not among the sums"):
        once.subtract(events.filter(events.user_idx == 1))


def test_users_with_events_are_not_dropped() -> None:
    events = random_events(4)
    with pytest.raises(ContractError, match="have events in the sums"):
        TrainingSums.of(events).drop_users(np.array([3], np.int32))


@pytest.mark.parametrize("name", SUMMED)
def test_a_model_of_subtracted_sums_is_the_refit(
    name: str, world: tuple[Interactions, Catalogue, Users], params: Params
) -> None:
    _, catalogue, users = world
    events = with_shown(random_events(5), 15)
    gone = [2, 7, 39]
    unlearned, refit = create(name, params), create(name, params)
    assert isinstance(unlearned, SummedRecommender)
    sums = sums_for([unlearned], events).subtract(of_users(events, gone))
    unlearned.fit_from(sums.drop_users(np.array(gone, np.int32)), catalogue)
    refit.fit(without(events, gone), catalogue, users)
    before = create(name, params).fit(events, catalogue, users)
    np.testing.assert_allclose(unlearned.score(users), refit.score(users), atol=1e-5)
    assert np.abs(before.score(users) - refit.score(users)).max() > 0, "the users changed nothing: the test cannot fail"


def test_all_closed_form_models_learn_from_sums_but_the_one_that_reads_the_order_of_events() -> None:
    ours = {"popularity", "buy_again", "interests", "tfidf", "content", "multimodal", "neighbours", "ease", "als"}
    assert ours <= set(SUMMED)
    assert "transitions" not in SUMMED
