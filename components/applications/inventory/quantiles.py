"""Quantiles and 90 % intervals around any forecast, from its own errors at earlier origins (split conformal).

Errors are in units of the product's size, and pooled over products that sell about as often and vary about as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray

COVERAGE = 0.9
N_DENSITIES, N_SPREADS = 8, 3  # groups by lines per period, and within each by spread
MIN_ERRORS = 100  # of a group, for quantiles of its own
TAILS = np.linspace(0.05, 0.2, 31)  # tails tried for the interval, narrowest last

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """What the size of errors depends on, known at the origin; one value per product."""

    level: Float64  # smoothed units per period
    density: Float64  # purchase events per period
    spread: Float64  # standard deviation of units per period, in levels

    def take(self, rows: NDArray[np.integer]) -> Series:
        """Return the products at these rows."""
        return Series(self.level[rows], self.density[rows], self.spread[rows])


@dataclass(frozen=True)
class Errors:
    """Forecasts of one origin and what came; (n_items, horizon)."""

    series: Series
    forecast: FloatArray
    actual: FloatArray


@dataclass(frozen=True)
class ResidualQuantiles:
    """The distribution of scaled errors in each group of products."""

    density_edges: Float64  # (N_DENSITIES - 1,)
    spread_edges: Float64  # (N_DENSITIES, N_SPREADS - 1)
    errors: list[Float64]  # sorted scaled errors of each group, N_DENSITIES * N_SPREADS
    tails: Float64  # share below the interval in each group; above it, the same

    def predict(self, forecast: FloatArray, series: Series, shares: Sequence[float]) -> FloatArray:
        """Return (n_items, horizon, len(shares)): the quantiles of demand, at least 0."""
        table = np.array([np.quantile(errors, shares) for errors in self.errors])
        return self._scale_errors(forecast, series, table)

    def interval(self, forecast: FloatArray, series: Series) -> tuple[FloatArray, FloatArray]:
        """Return the bounds of the calibrated interval, each (n_items, horizon)."""
        pairs = zip(self.errors, self.tails, strict=True)
        table = np.array([np.quantile(errors, (tail, 1 - tail)) for errors, tail in pairs])
        bounds = self._scale_errors(forecast, series, table)
        return bounds[:, :, 0], bounds[:, :, 1]

    def _scale_errors(self, forecast: FloatArray, series: Series, table: Float64) -> FloatArray:
        group = _groups(series, self.density_edges, self.spread_edges)
        unit = error_unit(forecast, series)
        values = forecast[:, :, None] + unit[:, :, None] * table[group][:, None, :]
        return np.asarray(np.maximum(values, 0), np.float32)


def error_unit(forecast: FloatArray, series: Series) -> Float64:
    """Return (n_items, horizon): the unit of errors, between the product's level and its forecast."""
    return np.asarray((forecast + series.level[:, None]) / 2 + 1e-6)


def fit_quantiles(origins: Sequence[Errors]) -> ResidualQuantiles:
    """Pool the errors of earlier origins; the tails of the interval are those that have covered COVERAGE of them.

    Demand is often 0, and no bound is below 0: there an interval has one tail only, and covers more than its
    quantiles say. Tails are widened or narrowed until it does not.
    """
    series = Series(
        *(np.concatenate([getattr(o.series, name) for o in origins]) for name in ("level", "density", "spread"))
    )
    density_edges = np.quantile(series.density, np.arange(1, N_DENSITIES) / N_DENSITIES)
    band = np.searchsorted(density_edges, series.density, "right")
    shares = np.arange(1, N_SPREADS) / N_SPREADS
    every = np.quantile(series.spread, shares)
    spread_edges = np.array(
        [np.quantile(series.spread[band == b], shares) if (band == b).any() else every for b in range(N_DENSITIES)]
    )
    group = _groups(series, density_edges, spread_edges)
    forecast, actual = (np.concatenate([getattr(o, name) for o in origins]) for name in ("forecast", "actual"))
    scaled = (actual - forecast) / error_unit(forecast, series)
    floor = -forecast / error_unit(forecast, series)  # the scaled error of a demand of 0
    errors: list[Float64] = []
    tails: list[float] = []
    for number in range(N_DENSITIES * N_SPREADS):
        members = group == number
        if members.sum() * forecast.shape[1] < MIN_ERRORS:
            members = band == number // N_SPREADS
        if members.sum() * forecast.shape[1] < MIN_ERRORS:
            members = np.ones(len(group), bool)
        errors.append(np.sort(scaled[members].ravel()))
        tails.append(_calibrated_tail(scaled[members], floor[members]))
    return ResidualQuantiles(density_edges, spread_edges, errors, np.array(tails))


def _calibrated_tail(scaled: Float64, floor: Float64) -> float:
    """Return the largest tail whose interval, cut at a demand of 0, covers COVERAGE of these errors."""
    chosen = float(TAILS[0])
    for tail in TAILS.tolist():
        low, high = np.quantile(scaled, (tail, 1 - tail))
        inside = (scaled >= np.maximum(low, floor) - 1e-9) & (scaled <= np.maximum(high, floor) + 1e-9)
        if inside.mean() >= COVERAGE:
            chosen = tail
    return chosen


def _groups(series: Series, density_edges: Float64, spread_edges: Float64) -> NDArray[np.int64]:
    band = np.searchsorted(density_edges, series.density, "right")
    within = (series.spread[:, None] >= spread_edges[band]).sum(axis=1)
    return np.asarray(band * N_SPREADS + within, np.int64)
