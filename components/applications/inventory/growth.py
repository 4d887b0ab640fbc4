"""The shop as a whole: its sales relative to their recent level, measured in the past and forecast for the future.

Single products are forecast relative to it, for what moves all of them (season, closed days) shows best in the sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.features import period_decay
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import CLOSED_SHARE

ALPHAS = tuple(float(alpha) for alpha in np.linspace(0.05, 0.5, 10))
YEAR_DAYS = 364  # whole weeks, so that weekdays stay
LIMITS = (0.2, 5.0)  # of a growth that the model is trained on

Float64 = NDArray[np.float64]


def shop_level(panel: Panel, period: int) -> float:
    """Return the exponentially weighted mean of all lines per period before `period`."""
    total = panel.lines[:, :period].sum(axis=0)
    weights = period_decay(panel) ** np.arange(period - 1, -1, -1)
    return max(float((total * weights).sum() / weights.sum()), 1e-9)


def measured_growth(panel: Panel, period: int, step: int) -> float:
    """Return the lines of the period `step` (1 or later) after `period` starts, relative to the level before it."""
    total = float(panel.lines[:, period + step - 1].sum())
    return float(np.clip(total / shop_level(panel, period), *LIMITS))


def forecast_growth(panel: Panel, period: int, horizon: int) -> Float64:
    """Return (horizon,): the expected lines of the coming periods, relative to the level before `period`.

    Half of the way from no growth to exponential smoothing of the shop's lines, by the smoothing that has fitted best;
    by weekday for periods of a day. Where a year is known, the mean with what followed the same day of the last year.
    """
    total = panel.lines[:, :period].sum(axis=0).astype(float)
    season = weekday_factors(total) if panel.period_days == 1 else np.ones(1)
    position = np.arange(period + horizon) % len(season)
    adjusted = total / season[position[:period]]
    usual = shop_level(panel, period)
    newest = smooth_best(adjusted[adjusted > CLOSED_SHARE * np.median(adjusted)])
    forecast = (newest + usual) / 2 * season[position[period:]] / usual
    year = YEAR_DAYS // panel.period_days
    if period - year > year // 4:  # some history before the same day of the last year, to compare with
        ahead = total[period - year : period - year + horizon]
        forecast = (forecast + ahead / shop_level(panel, period - year)) / 2
    return np.asarray(np.clip(forecast, *LIMITS))


def weekday_factors(total: Float64) -> Float64:
    """Return the 7 factors of the weekdays, in the order of the periods, with mean 1 and at least 0.05."""
    weeks = total[len(total) % 7 :].reshape(-1, 7) if len(total) >= 14 else np.ones((1, 7))
    factors = np.roll(weeks.mean(axis=0), len(total) % 7)
    return np.asarray(np.maximum(factors / max(factors.mean(), 1e-9), 0.05))


def smooth_best(values: Float64) -> float:
    """Return the last level of simple exponential smoothing with the smallest one-step squared error."""
    best, best_error = float(values[-1]), np.inf
    for alpha in ALPHAS:
        level, error = float(values[0]), 0.0
        for value in values[1:].tolist():
            error += (value - level) ** 2
            level += alpha * (value - level)
        if error < best_error:
            best, best_error = level, error
    return best
