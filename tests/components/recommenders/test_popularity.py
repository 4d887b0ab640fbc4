"""Popularity by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from components.contracts import Interactions
from components.errors import ContractError
from components.params import PopularityParams
from components.recommenders.popularity import PRIOR, decayed_popularity, prior


def test_an_event_counts_half_after_a_half_life(events_of: Callable[..., Interactions]) -> None:
    rows = [(1, 1, "purchase", 1.0, 0.0), (1, 2, "purchase", 1.0, 14.0), (2, 3, "view", 0.5, 28.0)]
    popularity = decayed_popularity(events_of(rows, 2, 4), half_life_days=14)
    np.testing.assert_allclose(popularity, [0, 1, 0.5, 0.125, 0], rtol=1e-6)
    assert popularity.dtype == np.float32


def test_anonymous_events_count_and_returns_are_subtracted(events_of: Callable[..., Interactions]) -> None:
    rows = [
        (0, 1, "purchase", 1.0, 0.0),
        (0, 1, "purchase", 1.0, 0.0),
        (1, 2, "purchase", 1.0, 0.0),
        (1, 3, "purchase", 1.0, 0.0),
        (1, 3, "return", 1.0, 0.0),
        (2, 4, "return", 1.0, 0.0),
    ]
    assert decayed_popularity(events_of(rows, 2, 4), 14).tolist() == [0, 1, 0.5, 0, 0]


def test_returns_alone_leave_zeros(events_of: Callable[..., Interactions]) -> None:
    assert decayed_popularity(events_of([(1, 1, "return", 1.0, 0.0)], 1, 2), 14).tolist() == [0, 0, 0]


def test_a_longer_half_life_favours_the_old(events_of: Callable[..., Interactions]) -> None:
    rows = [(1, 1, "purchase", 1.0, 60.0)] * 3 + [(1, 2, "purchase", 1.0, 0.0)] * 2
    events = events_of(rows, 1, 2)
    assert np.argmax(decayed_popularity(events, 7)) == 2
    assert np.argmax(decayed_popularity(events, 700)) == 1


def test_an_empty_window_is_refused(events_of: Callable[..., Interactions]) -> None:
    with pytest.raises(ContractError, match="no events"):
        decayed_popularity(events_of([], 1, 2), 14)


def test_the_prior_is_tiny_and_in_order_of_popularity(events_of: Callable[..., Interactions]) -> None:
    rows = [(1, 2, "purchase", 1.0, 0.0), (1, 2, "purchase", 1.0, 0.0), (1, 1, "purchase", 1.0, 0.0)]
    tiny = prior(events_of(rows, 1, 3), PopularityParams(half_life_days=14))
    np.testing.assert_allclose(tiny, PRIOR * np.array([0, 0.5, 1, 0]), rtol=1e-6)
    assert tiny.dtype == np.float32
