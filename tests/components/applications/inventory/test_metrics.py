"""Errors of forecasts, by hand."""

import numpy as np

from components.applications.inventory.metrics import (
    covered,
    naive_scale,
    quantile_losses,
    scaled_errors,
    weighted_quantile_loss,
    weighted_scaled_errors,
)

HISTORY = np.array([[0, 2, 4, 2], [1, 1, 1, 1]], np.float32)  # squared differences since the first sale: 4, 4; 0
FORECAST = np.array([[3, 3], [2, 2]], np.float32)
ACTUAL = np.array([[1, 5], [1, 3]], np.float32)


def test_the_scale_starts_at_the_first_sale() -> None:
    assert naive_scale(HISTORY).tolist() == [4, 0]
    assert np.isnan(naive_scale(np.zeros((1, 3), np.float32))).all()


def test_scaled_error_by_hand() -> None:
    np.testing.assert_array_equal(scaled_errors(HISTORY, FORECAST, ACTUAL), [1, np.nan])


def test_levels_of_the_hierarchy_are_summed_up_and_averaged() -> None:
    """Totals: history 1 3 5 3 with scale 4; forecast 5 5; actual 2 8: error 3 / 2. The second product has no scale."""
    errors = weighted_scaled_errors(HISTORY, FORECAST, ACTUAL, np.array([1.0, 3.0]), {})
    assert errors == {"total": 1.5, "product": 1.0, "mean": 1.25}


def test_quantile_loss_by_hand() -> None:
    """At share .9, a unit below costs .9 and a unit above .1; twice, over demand x price."""
    quantiles = np.array([[[4.0]], [[1.0]]], np.float32)
    actual = np.array([[2.0], [3.0]], np.float32)
    losses = quantile_losses(quantiles, actual, (0.9,))
    np.testing.assert_allclose(losses, [0.4, 3.6], rtol=1e-6)
    assert np.isclose(weighted_quantile_loss(losses, actual, np.array([10.0, 1.0])), (4 + 3.6) / 23)


def test_bounds_are_covered() -> None:
    low, high = np.array([[0, 1]], np.float32), np.array([[1, 2]], np.float32)
    assert covered(low, high, np.array([[1, 3]], np.float32)).tolist() == [[True, False]]
