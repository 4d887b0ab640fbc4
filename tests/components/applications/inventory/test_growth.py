"""The shop's growth, on totals that are known."""

import numpy as np

from components.applications.inventory.growth import forecast_growth, measured_growth, smooth_best, weekday_factors
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US


def panel_of(lines: list[float], period_days: int = 7) -> Panel:
    row = np.array([lines], np.float32)
    starts = np.arange(len(lines), dtype=np.int64) * period_days * DAY_US
    zero = np.zeros_like(row)
    return Panel(["a"], row, row, row, zero, zero, np.full(row.shape, NEVER, np.int32), starts, period_days)


def test_a_steady_shop_does_not_grow() -> None:
    np.testing.assert_allclose(forecast_growth(panel_of([10.0] * 20), 20, 3), [1, 1, 1])


def test_growth_is_measured_against_the_level_before() -> None:
    assert measured_growth(panel_of([10.0] * 5 + [30, 20]), 5, 1) == 3
    assert measured_growth(panel_of([10.0] * 5 + [30, 20]), 5, 2) == 2


def test_a_rising_shop_grows_and_a_closed_week_changes_nothing() -> None:
    rising = forecast_growth(panel_of(list(np.linspace(10, 40, 20))), 20, 1)
    assert 1.02 < rising[0] < 1.6
    assert smooth_best(np.full(5, 3.0)) == 3


def test_weekdays_repeat() -> None:
    week = [1.0, 1, 1, 1, 1, 4, 5]
    np.testing.assert_allclose(weekday_factors(np.array([*week[5:], *week, *week])), np.roll(week, 2) / 2)
    growth = forecast_growth(panel_of(week * 10, 1), 70, 7)
    assert growth.argmax() == 6
