"""The two boosters: their targets by hand, their mean, and a shop that has hardly sold anything at first."""

import numpy as np

from components.applications.inventory.features import recent_mean, take_features
from components.applications.inventory.growth import measured_growth
from components.applications.inventory.model import UNITS, ModelSettings, _training_rows, fit_model
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US


def test_periods_before_the_first_sales_are_not_learned_from() -> None:
    lines = np.zeros((20, 30), np.float32)
    lines[:, 15:] = 3  # nothing was sold for half of the time: a mean over no product would be NaN
    zero = np.zeros_like(lines)
    panel = Panel(
        [f"p{n}" for n in range(20)], lines, lines, lines, zero, zero, np.full(lines.shape, NEVER, np.int32),
        np.arange(30, dtype=np.int64) * 7 * DAY_US, 7,
    )  # fmt: skip
    model = fit_model(panel, 2, ModelSettings(n_trees=5, max_rows=10_000, seed=0))
    found = model.predict(panel, 30, np.arange(20))
    assert np.isfinite(found).all()
    assert (np.abs(found - 3) < 1.5).all()


def doubling_shop() -> Panel:
    """Return a shop whose sales double at period 20, all products alike."""
    lines = np.full((12, 30), 4.0, np.float32)
    lines[:, 20:] = 8
    zero = np.zeros_like(lines)
    return Panel(
        [f"p{n}" for n in range(12)], lines, lines, lines, zero, zero, np.full(lines.shape, NEVER, np.int32),
        np.arange(30, dtype=np.int64) * 7 * DAY_US, 7,
    )  # fmt: skip


def test_targets_are_in_units_of_the_product_and_of_the_growth_of_the_shop() -> None:
    panel = doubling_shop()
    features, (by_level, by_growth), weights = _training_rows(panel, 1, ModelSettings(max_rows=10_000))
    assert len(features) == len(by_level) == len(by_growth) == len(weights) == 12 * 22  # from period 8 to 29
    at_20 = slice(12 * 12, 12 * 13)  # the first period of doubled sales
    np.testing.assert_allclose(by_level[at_20], 8 / take_features(panel, 20).level)
    np.testing.assert_allclose(by_growth[at_20], 8 / (recent_mean(panel, 20) * measured_growth(panel, 20, 1)))
    assert by_level[at_20].mean() > 1.9  # seen as a jump of the product
    assert abs(by_growth[at_20].mean() - 1) < 0.03  # and as one of the shop, which the product follows


def test_the_forecast_is_the_mean_of_both_parts() -> None:
    panel, rows = doubling_shop(), np.arange(12)
    model = fit_model(panel, 2, ModelSettings(n_trees=5, min_leaf=5))
    parts = []
    for booster in model.boosters:
        # the same booster in both places: the mean of its two readings
        same = type(model)((booster, booster), 2).predict(panel, 30, rows)
        parts.append(same)
    assert len(model.boosters) == len(UNITS) == 2
    found = model.predict(panel, 30, rows)
    other = type(model)(model.boosters[::-1], 2).predict(panel, 30, rows)
    np.testing.assert_allclose((found + other) / 2, (parts[0] + parts[1]) / 2, rtol=1e-5)
