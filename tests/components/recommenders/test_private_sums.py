"""Sums with noise: what one user adds is bounded, measured; the noise has its scale; models learn from nothing else."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import Params, PrivacyParams
from components.privacy.accounting import Budget
from components.recommenders.factory import create
from components.recommenders.private_sums import (
    PrivateSums,
    clip_rows,
    clipped_transitions,
    decayed_by_user,
    fit_privately,
    gram_of,
)
from components.recommenders.sums import TrainingSums
from components.recommenders.transitions import count_transitions
from components.times import HOUR_US

SECRET = b"s" * 32
BOUND = 2.0
ALL = np.arange(1, 26, dtype=np.int32)
EXACT = PrivacyParams().model_copy(update={"epsilon": math.inf, "max_items": 10_000, "pair_items": 1_000})


@pytest.fixture(scope="module")
def events() -> Interactions:
    """Thirty users with 1 to 120 events on 25 items; one of them bought one item 60 times at once."""
    rng = np.random.default_rng(0)
    lengths = np.concatenate([[60], rng.integers(1, 120, 29)])
    n = int(lengths.sum())
    user = np.repeat(np.arange(1, 31), lengths).astype(np.int32)
    item = rng.integers(1, 26, n).astype(np.int32)
    item[:60] = 7
    time = np.sort(rng.integers(0, 900, n))
    time = np.concatenate([np.sort(time[user == u]) for u in range(1, 31)]).astype(np.int64) * HOUR_US
    time[:60] = 5 * HOUR_US
    kind = rng.choice([0, 2, 3], n, p=[0.5, 0.4, 0.1]).astype(np.int8)
    weight = np.where(kind == 0, 0.3, 1.0).astype(np.float32)
    return Interactions(user, item, time, kind, weight, 30, 25, 1_000 * HOUR_US)


def neighbours(events: Interactions) -> list[Interactions]:
    """Return the data without each user in turn."""
    return [events.filter(events.user_idx != user) for user in range(1, events.n_users + 1)]


def largest(change: Callable[[Interactions], np.ndarray], events: Interactions) -> float:
    whole = change(events)
    return max(float(np.linalg.norm(whole - change(one))) for one in neighbours(events))


def test_one_user_changes_decayed_sums_by_the_bound_at_most(events: Interactions) -> None:
    def decayed(some: Interactions) -> np.ndarray:
        return np.asarray(clip_rows(decayed_by_user(some, [14.0, 365.0]), BOUND).sum(axis=0)).ravel()

    assert 0.99 * BOUND < largest(decayed, events) <= BOUND * (1 + 1e-6)


def test_one_user_changes_the_upper_triangle_by_the_square_of_the_bound_at_most(events: Interactions) -> None:
    """Noise of that scale is added to each cell of the triangle once, and mirrored."""
    changed = largest(lambda some: np.triu(gram_of(some, ALL, BOUND)), events)
    assert 0.5 * BOUND**2 < changed <= BOUND**2 * (1 + 1e-6)


def test_one_user_changes_transitions_by_the_bound_at_most(events: Interactions, params: Params) -> None:
    changed = largest(lambda some: clipped_transitions(some, ALL, params.models.transitions, BOUND), events)
    assert 0.99 * BOUND < changed <= BOUND * (1 + 1e-6)


def test_transitions_that_are_not_clipped_are_those_of_the_model(events: Interactions, params: Params) -> None:
    """In blocks, and with items left out after counting, as the model counts."""
    found = clipped_transitions(events, ALL, params.models.transitions, 1e9)
    plain = count_transitions(events.by_user(), 25, params.models.transitions).toarray()[1:, 1:]
    assert np.allclose(found, plain, rtol=1e-5)


def test_infinite_epsilon_clips_and_adds_nothing(events: Interactions, params: Params) -> None:
    sums = PrivateSums.of(events, [14.0], params.models.transitions, EXACT, SECRET)
    plain = TrainingSums.of(replace(events), [14.0])
    users = decayed_by_user(events, [14.0])
    assert np.allclose(sums.totals.decayed[14.0], np.asarray(users.sum(axis=0)).ravel(), rtol=1e-5)
    assert np.allclose(sums.gram, gram_of(events, sums.chosen, 1e9), rtol=1e-5)
    assert sums.mechanism.noise_multiplier == 0
    assert (sums.totals.decayed[14.0] <= plain.decayed[14.0] + 30).all()  # a user counts 1 at most for an item


def test_noise_has_the_scale_of_the_budget(events: Interactions, params: Params) -> None:
    knobs = PrivacyParams(epsilon=2.0, max_items=4, pair_items=25)
    expected = Budget.of(knobs, knobs.sums_share).noise_multiplier(steps=3)
    exact = knobs.model_copy(update={"epsilon": math.inf})
    draws, cells = [], []
    for n in range(40):
        own = replace(events, now=events.now + n)  # other data, other noise; weights are the same to 1e-6
        noised = PrivateSums.of(own, [14.0], params.models.transitions, knobs, SECRET)
        clear = PrivateSums.of(own, [14.0], params.models.transitions, exact, SECRET)
        draws.append(noised.totals.decayed[14.0][1:] - clear.totals.decayed[14.0][1:])
        off = np.triu(gram_of(own, noised.chosen, 2.0), 1)
        cells.append((np.triu(noised.gram, 1) - off)[np.triu_indices(len(off), 1)])
    assert np.std(np.concatenate(draws)) == pytest.approx(expected * 2.0, rel=0.1)
    assert np.std(np.concatenate(cells)) == pytest.approx(expected * 4.0, rel=0.05)


def test_noise_depends_on_secret_and_data_alone(events: Interactions, params: Params) -> None:
    def decayed(some: Interactions, secret: bytes = SECRET) -> np.ndarray:
        knobs = PrivacyParams(epsilon=2.0)
        return PrivateSums.of(some, [14.0], params.models.transitions, knobs, secret).totals.decayed[14.0]

    assert (decayed(events) == decayed(events)).all()
    assert not np.isclose(decayed(events)[1:], decayed(events, b"t" * 32)[1:]).any()
    later = replace(events, now=events.now + 1)
    assert not np.isclose(decayed(events)[1:], decayed(later)[1:]).any()


def test_anonymous_events_are_left_out(events: Interactions, params: Params) -> None:
    anonymous = replace(events, user_idx=np.where(events.user_idx == 1, 0, events.user_idx).astype(np.int32))
    one = PrivateSums.of(anonymous, [14.0], params.models.transitions, EXACT, SECRET)
    other = PrivateSums.of(events.filter(events.user_idx != 1), [14.0], params.models.transitions, EXACT, SECRET)
    assert np.allclose(one.totals.decayed[14.0], other.totals.decayed[14.0])
    with pytest.raises(ContractError, match="no event of the training window has a user"):
        PrivateSums.of(events.filter(events.user_idx < 0), [14.0], params.models.transitions, EXACT, SECRET)


@pytest.mark.parametrize("name", ["popularity", "buy_again", "interests", "tfidf", "content", "transitions", "ease"])
def test_models_learn_from_sums_without_noise_what_they_learn_from_events(
    name: str, world: tuple[Interactions, Catalogue, Users], params: Params
) -> None:
    """Where nothing is clipped: the users of the checkerboard took each item once."""
    events, catalogue, users = world
    plain = create(name, params).fit(events, catalogue, users)
    days = {getattr(plain, "half_life_days", params.models.popularity.half_life_days)}
    days.add(params.models.popularity.half_life_days)
    sums = PrivateSums.of(events, days, params.models.transitions, EXACT, SECRET)
    model = fit_privately(create(name, params), sums, catalogue)
    assert np.allclose(model.score(users), plain.score(users), rtol=1e-3, atol=1e-4)


def test_noise_moves_a_model_and_ease_still_has_an_inverse(
    world: tuple[Interactions, Catalogue, Users], params: Params
) -> None:
    events, catalogue, users = world
    sums = PrivateSums.of(events, [14.0, 30.0], params.models.transitions, PrivacyParams(epsilon=0.5), SECRET)
    model = fit_privately(create("ease", params), sums, catalogue)
    plain = create("ease", params).fit(events, catalogue, users)
    assert np.isfinite(model.score(users)).all()
    assert not np.allclose(model.score(users), plain.score(users), rtol=0.1)


def test_a_model_that_needs_each_users_events_is_refused(
    world: tuple[Interactions, Catalogue, Users], params: Params
) -> None:
    sums = PrivateSums.of(world[0], [14.0], params.models.transitions, EXACT, SECRET)
    with pytest.raises(ContractError, match="sequence cannot learn with noise"):
        fit_privately(create("sequence", params), sums, world[1])


def test_impressions_are_not_read_with_noise(events: Interactions, params: Params) -> None:
    exposed = replace(events, shown=replace(events, event=np.full_like(events.event, 4)))
    plain, sums = (
        PrivateSums.of(one, [14.0], params.models.transitions, EXACT, SECRET).totals for one in (events, exposed)
    )
    assert sums.shown is None
    np.testing.assert_array_equal(plain.popularity(14.0), sums.popularity(14.0, with_shown=True))
