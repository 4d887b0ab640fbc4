"""Simple forecasts with known answers."""

import numpy as np

from components.applications.inventory.baselines import (
    croston_sba,
    repeat_season,
    season_factors,
    select_smoothing,
    smooth_exponentially,
)


def test_the_last_season_is_repeated() -> None:
    history = np.arange(10, dtype=np.float32)[None, :]
    assert repeat_season(history, 9, 7).tolist() == [[3, 4, 5, 6, 7, 8, 9, 3, 4]]
    assert repeat_season(history, 2, 52).tolist() == [[9, 9]]


def test_croston_by_hand() -> None:
    """Sizes 4 then 6: 4.2; intervals 1 then 2: 1.1; 0.95 x 4.2 / 1.1."""
    history = np.array([[0, 4, 0, 6], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(croston_sba(history), [0.95 * 4.2 / 1.1, 0])


def test_exponential_smoothing_of_constant_and_of_short_series() -> None:
    history = np.full((3, 20), 5, np.float32)
    history[1] = [0] * 17 + [2, 2, 2]
    history[2] += np.tile([1, -1], 10)
    forecast = smooth_exponentially(history, np.array([0, 17, 0]), 2, 1)
    np.testing.assert_allclose(forecast[:2], [[5, 5], [2, 2]], atol=1e-3)
    assert np.all(np.abs(forecast[2] - 5) < 1.1)


def test_smoothing_repeats_a_season() -> None:
    week = np.array([1, 1, 1, 1, 1, 4, 5], np.float32)
    np.testing.assert_allclose(season_factors(np.tile(week, 3).astype(float), 7), week / 2)
    forecast = smooth_exponentially(np.tile(week, 4)[None, :], np.zeros(1, np.int64), 7, 7)
    np.testing.assert_allclose(forecast[0], week, rtol=1e-3)


def test_the_selected_smoothing_follows_a_trend_that_simple_smoothing_does_not() -> None:
    history = np.arange(1, 31, dtype=np.float32)[None, :]
    first = np.zeros(1, np.int64)
    assert select_smoothing(history, first, 4)[0, -1] > 32
    assert smooth_exponentially(history, first, 4, 1)[0, -1] <= 30.1
