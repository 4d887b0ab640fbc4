"""Errors of forecasts: root mean squared scaled error, weighted by value; quantile loss; coverage.

Source: Makridakis et al. 2022, the M5 accuracy and uncertainty competitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.features import sum_groups
from components.contracts import BoolArray, FloatArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)

Float64 = NDArray[np.float64]
Values = NDArray[np.floating[Any]]


def naive_scale(history: Values) -> Float64:
    """Return each row's mean squared difference between neighbouring periods since its first sale; NaN without one."""
    first = np.where((history > 0).any(axis=1), (history > 0).argmax(axis=1), history.shape[1])
    differences = np.diff(history.astype(float), axis=1) ** 2
    counted = np.arange(differences.shape[1])[None, :] >= first[:, None]
    n = counted.sum(axis=1)
    return np.asarray(np.where(n > 0, (differences * counted).sum(axis=1) / np.maximum(n, 1), np.nan))


def scaled_errors(history: Values, forecast: Values, actual: Values) -> Float64:
    """Return the root mean squared scaled error of each row over its horizon; NaN where the scale is 0 or unknown."""
    scale = naive_scale(history)
    error = ((forecast.astype(float) - actual) ** 2).mean(axis=1)
    return np.asarray(np.sqrt(error / np.where(scale > 0, scale, np.nan)))


def weighted_scaled_errors(
    history: FloatArray,
    forecast: FloatArray,
    actual: FloatArray,
    value: Float64,
    groups: Mapping[str, NDArray[np.integer]],
) -> dict[str, float]:
    """Return the weighted mean of `scaled_errors` at each level: "total", each of `groups`, "product"; and "mean".

    value: (n_items,) the products' value before the forecast, the weight. Forecasts of products are summed up.
    """
    n = len(history)
    levels = {"total": np.zeros(n, int), **groups, "product": np.arange(n)}
    result: dict[str, float] = {}
    for level, codes in levels.items():
        sums = (sum_groups(values, codes) for values in (history, forecast, actual))
        result[level] = weighted_mean(scaled_errors(*sums), np.bincount(codes, value).astype(float))
    result["mean"] = float(np.mean(list(result.values())))
    return result


def weighted_mean(values: Float64, weights: Float64) -> float:
    """Return the weighted mean of the values that are not NaN; NaN where their weights sum up to 0."""
    known = np.isfinite(values)
    total = weights[known].sum()
    return float((values[known] * weights[known]).sum() / total) if total > 0 else float("nan")


def quantile_losses(quantiles: FloatArray, actual: FloatArray, shares: tuple[float, ...] = QUANTILES) -> Float64:
    """Return the pinball loss of each row, summed over its horizon and averaged over the shares, times 2.

    quantiles: (n_items, horizon, len(shares)).
    """
    share = np.array(shares)
    difference = actual[:, :, None].astype(float) - quantiles
    loss = np.maximum(share * difference, (share - 1) * difference)
    return np.asarray(2 * loss.mean(axis=2).sum(axis=1))


def weighted_quantile_loss(losses: Float64, actual: FloatArray, price: Float64) -> float:
    """Return the price-weighted losses relative to the price-weighted demand: 0 is perfect."""
    demand = (actual.sum(axis=1) * price).sum()
    return float((losses * price).sum() / demand) if demand > 0 else float("nan")


def covered(low: FloatArray, high: FloatArray, actual: FloatArray) -> BoolArray:
    """Return where the demand is inside its interval, bounds included."""
    inside: BoolArray = (actual >= low) & (actual <= high)
    return inside
