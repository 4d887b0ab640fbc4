"""Forecasts at rolling origins from earlier data alone; weights and quantiles come from the origins before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.baselines import (
    BASELINES,
    CROSTON,
    MOVING_AVERAGE,
    SMOOTHING,
    forecast_baselines,
)
from components.applications.inventory.features import masked_mean, smoothed_level
from components.applications.inventory.metrics import QUANTILES, weighted_scaled_errors
from components.applications.inventory.model import ModelSettings, fit_model
from components.applications.inventory.panel import Panel
from components.applications.inventory.quantiles import Errors, ResidualQuantiles, Series, fit_quantiles
from components.applications.inventory.stockouts import available
from components.contracts import FloatArray

MODEL, COMBINED = "lightgbm", "model"  # the booster alone, and what is compared with the baselines
PARTS = (MODEL, MOVING_AVERAGE, SMOOTHING, CROSTON)
PRIOR_WEIGHTS = (0.45, 0.1, 0.15, 0.3, 0.5)  # of PARTS, and of the sum; before any origin has been seen
SUM_SHARES = (0.0, 0.5, 1.0)  # of the way to the sum of exponential smoothing
TOTAL_LIMITS = (0.5, 2.0)  # of the factor that sets the sum of the products
WEIGHT_STEP = 4  # weights tried are multiples of 1 / WEIGHT_STEP
VALUE_PERIODS, VALUE_DAYS = 4, 28  # products are weighted by their value over 4 weeks before the origin
SERIES_PERIODS, SERIES_DAYS = 13, 91  # density and spread are measured over so many periods

PanelAt = Callable[[int], Panel]  # the panel of what was known a number of periods before the end of the data


@dataclass(frozen=True)
class ForecastOrigin:
    """All forecasts made at one origin, for the products that had sold often enough by then."""

    back: int  # periods between the origin and the end of the data
    item_id: list[str]
    history: FloatArray  # (n, n_periods)
    value: NDArray[np.float64]  # (n,) of the last four weeks before the origin
    price: NDArray[np.float64]  # (n,) mean unit price
    groups: Mapping[str, NDArray[np.integer]]
    series: Series
    forecasts: dict[str, FloatArray]  # method -> (n, horizon)
    actual: FloatArray | None  # (n, horizon); None at the end of the data


@dataclass(frozen=True)
class Prediction:
    """One method's forecasts at one origin, with quantiles from earlier origins."""

    mean: FloatArray  # (n, horizon)
    quantiles: FloatArray  # (n, horizon, len(QUANTILES))
    low: FloatArray  # (n, horizon)
    high: FloatArray
    total: ResidualQuantiles  # of the demand summed over the horizon


def forecast_origin(
    panel: Panel, back: int, horizon: int, min_lines: int, settings: ModelSettings, future: FloatArray | None
) -> ForecastOrigin:
    """Fit and forecast at the end of `panel`. future: (n_items of the panel, horizon), what came."""
    rows = np.flatnonzero(panel.lines.sum(axis=1) >= min_lines)
    forecasts = {MODEL: fit_model(panel, horizon, settings).predict(panel, panel.n_periods, rows)}
    forecasts |= forecast_baselines(panel, horizon, rows)
    recent = VALUE_PERIODS if panel.period_days == 7 else VALUE_DAYS
    units = panel.quantity[rows].sum(axis=1)
    return ForecastOrigin(
        back=back,
        item_id=[panel.item_id[row] for row in rows],
        history=panel.quantity[rows],
        value=panel.value[rows, -recent:].sum(axis=1).astype(float),
        price=panel.value[rows].sum(axis=1) / np.maximum(units, 1e-9).astype(float),
        groups={name: np.unique(codes[rows], return_inverse=True)[1] for name, codes in panel.groups.items()},
        series=describe_series(panel).take(rows),
        forecasts=forecasts,
        actual=None if future is None else future[rows],
    )


def describe_series(panel: Panel) -> Series:
    """Return level, density and spread of every product at the end of the panel."""
    on_sale = available(panel.resumed, panel.first, panel.n_periods)
    level = smoothed_level(panel, panel.n_periods, on_sale)
    window = SERIES_PERIODS if panel.period_days == 7 else SERIES_DAYS
    mean = masked_mean(panel.quantity, on_sale, window)
    square = masked_mean(panel.quantity**2, on_sale, window)
    spread = np.sqrt(np.maximum(square - mean**2, 0)) / level
    return Series(level, masked_mean(panel.lines, on_sale, window), spread)


def combine(origin: ForecastOrigin, weights: Sequence[float]) -> FloatArray:
    """Return the weighted mean of the forecasts of PARTS, its sum over the products drawn to that of smoothing.

    weights: one of each part, and last the share of the way (on a logarithmic scale) to the sum of the products by
    exponential smoothing, which follows a growing shop sooner than the other parts.
    """
    parts = zip(PARTS, weights[:-1], strict=True)
    mean = np.asarray(sum(weight * origin.forecasts[part] for part, weight in parts), float)
    total = origin.forecasts[SMOOTHING].sum(axis=0) / np.maximum(mean.sum(axis=0), 1e-9)
    return np.asarray(mean * np.clip(total, *TOTAL_LIMITS) ** weights[-1], np.float32)


def choose_weights(origins: Sequence[ForecastOrigin]) -> tuple[float, ...]:
    """Return the weights of `combine`: halfway between PRIOR_WEIGHTS and those with the smallest error at the origins.

    The error is the weighted scaled error, mean over levels and origins. The share of the sum is chosen last.
    Without origins: PRIOR_WEIGHTS.
    """
    if not origins:
        return PRIOR_WEIGHTS
    steps = range(WEIGHT_STEP + 1)
    grid = [g for g in product(steps, repeat=len(PARTS)) if sum(g) == WEIGHT_STEP]
    parts = _best([(*(step / WEIGHT_STEP for step in g), PRIOR_WEIGHTS[-1]) for g in grid], origins)
    best = _best([(*parts[:-1], share) for share in SUM_SHARES], origins)
    return tuple((a + b) / 2 for a, b in zip(best, PRIOR_WEIGHTS, strict=True))


def _best(candidates: Sequence[tuple[float, ...]], origins: Sequence[ForecastOrigin]) -> tuple[float, ...]:
    errors = [float(np.mean([mean_error(o, combine(o, weights)) for o in origins])) for weights in candidates]
    return candidates[int(np.argmin(errors))]


def mean_error(origin: ForecastOrigin, forecast: FloatArray) -> float:
    """Return the weighted scaled error of a forecast, mean over the levels of the hierarchy."""
    assert origin.actual is not None
    return weighted_scaled_errors(origin.history, forecast, origin.actual, origin.value, origin.groups)["mean"]


def predict_all(
    origin: ForecastOrigin, earlier: Sequence[ForecastOrigin]
) -> tuple[dict[str, Prediction], tuple[float, ...]]:
    """Return each method's prediction at the origin, and the weights of the combination.

    earlier: origins whose whole horizon is known at this one. Every method gets its quantiles in the same way,
    from its own errors at them.
    """
    weights = choose_weights(earlier)
    methods = (COMBINED, *BASELINES)
    return {method: _predict(method, origin, earlier, weights) for method in methods}, weights


def method_forecast(method: str, origin: ForecastOrigin, weights: Sequence[float]) -> FloatArray:
    """Return (n, horizon): the forecast of one of BASELINES, or of COMBINED with these weights."""
    return combine(origin, weights) if method == COMBINED else origin.forecasts[method]


def method_errors(method: str, earlier: Sequence[ForecastOrigin], weights: Sequence[float]) -> list[Errors]:
    """Return the method's forecasts and what came, at the origins where that is known."""
    return [Errors(o.series, method_forecast(method, o, weights), o.actual) for o in earlier if o.actual is not None]


def _predict(
    method: str, origin: ForecastOrigin, earlier: Sequence[ForecastOrigin], weights: Sequence[float]
) -> Prediction:
    known = method_errors(method, earlier, weights)
    fitted = fit_quantiles(known)
    mean = method_forecast(method, origin, weights)
    low, high = fitted.interval(mean, origin.series)
    return Prediction(mean, fitted.predict(mean, origin.series, QUANTILES), low, high, fit_totals(known))


def fit_totals(known: Sequence[Errors]) -> ResidualQuantiles:
    """Return the quantiles of demand summed over the horizon; levels are in units of the whole horizon."""
    return fit_quantiles(
        [Errors(scale_series(e.series, e.forecast.shape[1]), _sum(e.forecast), _sum(e.actual)) for e in known]
    )


def scale_series(series: Series, n_periods: int) -> Series:
    """Return the series with their level over so many periods."""
    return Series(series.level * n_periods, series.density, series.spread)


def _sum(values: FloatArray) -> FloatArray:
    return np.asarray(values.sum(axis=1, keepdims=True))
