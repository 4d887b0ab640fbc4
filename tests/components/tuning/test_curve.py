"""A smaller share has fewer users, each with all events; the validation users are always the same."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Interactions
from components.errors import ContractError
from components.params import Params
from components.tuning.curve import point, subsample_training
from components.tuning.measure import read_tuning_data
from tests.support import checkerboard


@pytest.fixture
def events() -> Interactions:
    return checkerboard()[0]


def users(events: Interactions) -> set[int]:
    return set(events.user_idx[events.user_idx > 0].tolist())


@pytest.mark.parametrize(("share", "n"), [(0.01, 1), (0.1, 4), (0.26, 11), (1.0, 40)])
def test_a_share_of_users_with_all_their_events(events: Interactions, share: float, n: int) -> None:
    part = subsample_training(events, share, seed=1)
    assert len(users(part)) == n
    assert len(part) == 6 * n
    assert (part.n_users, part.n_items, part.now) == (events.n_users, events.n_items, events.now)
    assert (np.diff(part.user_idx) >= 0).all()


def test_the_smaller_share_is_part_of_the_larger_one(events: Interactions) -> None:
    shares = [users(subsample_training(events, share, seed=1)) for share in (0.05, 0.1, 0.5, 1.0)]
    assert all(small < large for small, large in pairwise(shares))
    assert users(subsample_training(events, 0.5, seed=1)) == shares[2] != users(subsample_training(events, 0.5, seed=2))


def test_anonymous_events_are_sampled_one_by_one(events: Interactions) -> None:
    anonymous = replace(events, user_idx=np.zeros(len(events), np.int32))
    assert 0.3 * len(events) < len(subsample_training(anonymous, 0.5, seed=1)) < 0.7 * len(events)
    assert len(subsample_training(anonymous, 1.0, seed=1)) == len(events)
    with pytest.raises(ContractError, match=r"tune\.label_shares"):
        subsample_training(anonymous, 1e-9, seed=1)


def test_a_share_of_users_comes_with_what_they_were_shown(events: Interactions) -> None:
    part = subsample_training(replace(events, shown=events), 0.26, seed=1)
    assert part.shown is not None
    assert users(part.shown) == users(part)
    assert len(part.shown) == len(part) == 6 * 11


def test_a_larger_share_gives_a_better_metric(made: Path, params_of: Callable[..., Params]) -> None:
    params = params_of("models.ease.l2=5")
    world = read_tuning_data(made, params)
    few, all_ = (point(world, "ease", share, params) for share in (0.02, 1.0))
    assert (few.n_users, all_.n_users) == (2, 59)
    assert few.value < all_.low <= all_.value <= all_.high
    assert point(world, "ease", 1.0, params) == all_
