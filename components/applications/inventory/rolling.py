"""Forecasts at rolling origins from earlier data alone; quantiles come from the origins before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.baselines import BASELINES, forecast_baselines
from components.applications.inventory.features import masked_mean, smoothed_level
from components.applications.inventory.metrics import QUANTILES
from components.applications.inventory.model import ModelSettings, fit_model
from components.applications.inventory.panel import Panel
from components.applications.inventory.quantiles import Errors, ResidualQuantiles, Series, fit_quantiles
from components.applications.inventory.stockouts import available
from components.contracts import FloatArray

MODEL = "model"  # what is compared with the baselines
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


def predict_all(origin: ForecastOrigin, earlier: Sequence[ForecastOrigin]) -> dict[str, Prediction]:
    """Return each method's prediction at the origin.

    earlier: origins whose whole horizon is known at this one. Every method gets its quantiles in the same way,
    from its own errors at them.
    """
    return {method: _predict(method, origin, earlier) for method in (MODEL, *BASELINES)}


def method_errors(method: str, earlier: Sequence[ForecastOrigin]) -> list[Errors]:
    """Return the method's forecasts and what came, at the origins where that is known."""
    return [Errors(o.series, o.forecasts[method], o.actual) for o in earlier if o.actual is not None]


def _predict(method: str, origin: ForecastOrigin, earlier: Sequence[ForecastOrigin]) -> Prediction:
    known = method_errors(method, earlier)
    fitted = fit_quantiles(known)
    mean = origin.forecasts[method]
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
