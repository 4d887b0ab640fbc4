"""Simple forecasts of every product: what the model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.features import masked_mean
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import available
from components.contracts import FloatArray

SEASONAL_NAIVE, MOVING_AVERAGE, SMOOTHING, CROSTON = (
    "seasonal_naive", "moving_average", "exponential_smoothing", "croston",
)  # fmt: skip
BASELINES = (SEASONAL_NAIVE, MOVING_AVERAGE, SMOOTHING, CROSTON)
WEEK_SEASON, DAY_SEASON = 52, 7  # periods
WEEK_AVERAGE, DAY_AVERAGE = 8, 28  # periods of the moving average
CROSTON_ALPHA = 0.1
MIN_SERIES = 5  # periods since the first sale, for exponential smoothing


def forecast_baselines(panel: Panel, horizon: int, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
    """Return (len(rows), horizon) for each of BASELINES, from the whole panel.

    seasonal_naive: the same period of the last season, of 52 weeks or 7 days; until one is known, the last period.
    moving_average: of the newest 8 weeks or 28 days on sale. croston: Syntetos and Boylan's approximation.
    exponential_smoothing: of each product by itself (bottom-up); for days with factors of the weekday.
    """
    history = panel.quantity[rows]
    on_sale = available(panel.resumed, panel.first, panel.n_periods)[rows]
    weekly = panel.period_days == 7
    mean = masked_mean(history, on_sale, WEEK_AVERAGE if weekly else DAY_AVERAGE)
    return {
        SEASONAL_NAIVE: repeat_season(history, horizon, WEEK_SEASON if weekly else DAY_SEASON),
        MOVING_AVERAGE: _constant(mean, horizon),
        SMOOTHING: smooth_exponentially(history, panel.first[rows], horizon, 1 if weekly else DAY_SEASON),
        CROSTON: _constant(croston_sba(history), horizon),
    }


def repeat_season(history: FloatArray, horizon: int, season: int) -> FloatArray:
    """Return (n, horizon): the demand one season before; where the history is shorter than a season, the last one."""
    n_periods = history.shape[1]
    season = season if n_periods >= season else 1
    steps = np.arange(horizon) % season
    return history[:, n_periods - season + steps]


def smooth_exponentially(history: FloatArray, first: NDArray[np.integer], horizon: int, season: int) -> FloatArray:
    """Return (n, horizon): simple exponential smoothing of each row from its first sale on, at least 0.

    statsforecast finds the smoothing. With a season, rows of two seasons and more are first divided by its factors.
    """
    from statsforecast.models import SimpleExponentialSmoothingOptimized

    model = SimpleExponentialSmoothingOptimized()
    n_periods = history.shape[1]
    out = np.zeros((len(history), horizon), np.float32)
    for row, start in enumerate(np.minimum(first, n_periods - 2).tolist()):
        values = history[row, start:].astype(np.float64)
        factors = season_factors(values, season)
        position = np.arange(len(values) + horizon) % season
        level = _forecast_series(model, values / factors[position[: len(values)]], 1)[0]
        out[row] = np.maximum(level * factors[position[len(values) :]], 0)
    return out


def select_smoothing(history: FloatArray, first: NDArray[np.integer], horizon: int) -> FloatArray:
    """Return (n, horizon): AutoETS of statsforecast for each row, additive, with a trend where AICc prefers one.

    It takes a hundred times as long as `smooth_exponentially`, so only benchmarks use it.
    """
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=1, model="ZZN")
    starts = np.minimum(first, history.shape[1] - 2).tolist()
    rows = [
        _forecast_series(model, history[row, start:].astype(np.float64), horizon) for row, start in enumerate(starts)
    ]
    return np.asarray(np.maximum(rows, 0), np.float32)


def season_factors(values: NDArray[np.float64], season: int) -> NDArray[np.float64]:
    """Return the factor of each position of the season, with mean 1 and at least 0.1; ones below two seasons."""
    n_whole = len(values) // season * season
    if season == 1 or n_whole < 2 * season or not values[:n_whole].any():
        return np.ones(season)
    means = values[:n_whole].reshape(-1, season).mean(axis=0)
    return np.asarray(np.maximum(means / means.mean(), 0.1))


def croston_sba(history: FloatArray, alpha: float = CROSTON_ALPHA) -> NDArray[np.float64]:
    """Return the demand per period by Croston's method with the correction of Syntetos and Boylan; 0 without demand.

    Demand sizes and intervals are smoothed apart, at periods with demand alone.
    """
    n, n_periods = history.shape
    size, interval, wait = np.zeros(n), np.zeros(n), np.ones(n)
    started = np.zeros(n, bool)
    for period in range(n_periods):
        sold = history[:, period] > 0
        new, again = sold & ~started, sold & started
        size = np.where(new, history[:, period], size + again * alpha * (history[:, period] - size))
        interval = np.where(new, 1.0, interval + again * alpha * (wait - interval))
        started |= sold
        wait = np.where(sold, 1.0, wait + 1)
    return (1 - alpha / 2) * size / np.maximum(interval, 1)


def _constant(mean: NDArray[np.float64], horizon: int) -> FloatArray:
    return np.repeat(mean[:, None], horizon, axis=1).astype(np.float32)


def _forecast_series(model: Any, values: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """Return the forecast of a statsforecast model; the mean of series too short for it, or on which it fails."""
    if len(values) >= MIN_SERIES:
        try:
            forecast = np.asarray(model.forecast(values, h=horizon)["mean"])
        except Exception:  # the library's optimisers raise many types on degenerate series
            forecast = np.full(horizon, np.nan)
        if np.isfinite(forecast).all():
            return forecast
    return np.full(horizon, values.mean())
