"""The model against simple methods at rolling origins: errors, coverage, and the cost of ordering by each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.metrics import (
    covered,
    quantile_losses,
    scaled_errors,
    weighted_quantile_loss,
    weighted_scaled_errors,
)
from components.applications.inventory.model import ModelSettings
from components.applications.inventory.panel import Panel
from components.applications.inventory.rolling import (
    ForecastOrigin,
    PanelAt,
    Prediction,
    forecast_origin,
    predict_all,
    scale_series,
)
from components.applications.inventory.simulation import Cycle, critical_share, simulate_cost, sum_horizon
from components.contracts import FloatArray

COST_RATIOS = (3.0, 9.0, 19.0)  # a missing unit's cost over that of a unit left over: service of 75, 90 and 95 %

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """One method over all test origins; means over the origins."""

    scaled_error: dict[str, float]  # level of the hierarchy, and "mean" -> weighted scaled error
    quantile_loss: float
    coverage: float  # of the 90 % interval, over products and periods
    costs: dict[float, float]  # cost ratio -> simulated cost


@dataclass(frozen=True)
class ProductErrors:
    """Errors of one method for each product and origin, for paired comparisons."""

    item: NDArray[np.str_]
    density: Float64  # purchase events per period at the origin
    weight: Float64  # share of the origin's value
    scaled: Float64  # scaled error; NaN where it has no scale
    loss: Float64  # quantile loss x price, over the origin's demand x price


@dataclass(frozen=True)
class DemandBacktest:
    """The result: test origins, and the scores and product errors of each method."""

    origins: list[ForecastOrigin]  # oldest first; the first ones only calibrate
    n_calibration: int
    predictions: list[dict[str, Prediction]]  # of the test origins
    scores: dict[str, Scores]
    errors: dict[str, ProductErrors]


def run_backtest(
    panel_at: PanelAt, horizon: int, n_test: int, n_calibration: int, min_lines: int, settings: ModelSettings
) -> DemandBacktest:
    """Forecast at n_calibration + n_test origins, one horizon apart; the last one's horizon ends with the data.

    Quantiles at a test origin come from the origins before it. Nothing is tuned on the test origins.
    """
    newest = panel_at(0)
    backs = [horizon * number for number in range(n_calibration + n_test, 0, -1)]
    origins = []
    for back in backs:
        panel = panel_at(back)
        future = future_of(panel, newest, back, horizon)
        origins.append(forecast_origin(panel, back, horizon, min_lines, settings, future))
    predictions = [predict_all(origins[number], origins[:number]) for number in range(n_calibration, len(origins))]
    tests = origins[n_calibration:]
    methods = list(predictions[0])
    return DemandBacktest(
        origins=origins,
        n_calibration=n_calibration,
        predictions=predictions,
        scores={m: score(tests, [p[m] for p in predictions]) for m in methods},
        errors={m: product_errors(tests, [p[m] for p in predictions]) for m in methods},
    )


def future_of(panel: Panel, newest: Panel, back: int, horizon: int) -> FloatArray:
    """Return (n_items of panel, horizon): the demand after the panel, from the newest one."""
    rows = {name: row for row, name in enumerate(newest.item_id)}
    start = newest.n_periods - back
    out = np.zeros((len(panel.item_id), horizon), np.float32)
    for row, name in enumerate(panel.item_id):
        if name in rows:  # all purchases may have been cancelled later
            out[row] = newest.quantity[rows[name], start : start + horizon]
    return out


def score(origins: Sequence[ForecastOrigin], predictions: Sequence[Prediction]) -> Scores:
    """Return the means over the origins of one method's errors, and its simulated costs."""
    pairs = list(zip(origins, predictions, strict=True))
    errors = [weighted_scaled_errors(o.history, p.mean, _actual(o), o.value, o.groups) for o, p in pairs]
    losses = [weighted_quantile_loss(quantile_losses(p.quantiles, _actual(o)), _actual(o), o.price) for o, p in pairs]
    inside = np.concatenate([covered(p.low, p.high, _actual(o)).ravel() for o, p in pairs])
    return Scores(
        scaled_error={level: float(np.mean([e[level] for e in errors])) for level in errors[0]},
        quantile_loss=float(np.mean(losses)),
        coverage=float(inside.mean()),
        costs={ratio: simulate_cost([make_cycle(o, p, ratio) for o, p in pairs], ratio) for ratio in COST_RATIOS},
    )


def make_cycle(origin: ForecastOrigin, prediction: Prediction, ratio: float) -> Cycle:
    """Return the order cycle of one origin: stock for the whole horizon, by the quantile that costs least."""
    total = prediction.mean.sum(axis=1, keepdims=True)
    series = scale_series(origin.series, prediction.mean.shape[1])
    level = prediction.total.predict(total, series, [critical_share(ratio)])[:, 0, 0]
    return Cycle(origin.item_id, level.astype(float), sum_horizon(_actual(origin)), origin.price)


def product_errors(origins: Sequence[ForecastOrigin], predictions: Sequence[Prediction]) -> ProductErrors:
    """Return one row for each product and origin."""
    parts = []
    for origin, prediction in zip(origins, predictions, strict=True):
        actual = _actual(origin)
        worth = max(float((actual.sum(axis=1) * origin.price).sum()), 1e-9)
        loss = quantile_losses(prediction.quantiles, actual) * origin.price / worth
        weight = origin.value / max(origin.value.sum(), 1e-9)
        scaled = scaled_errors(origin.history, prediction.mean, actual)
        parts.append((np.array(origin.item_id), origin.series.density, weight, scaled, loss))
    return ProductErrors(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _actual(origin: ForecastOrigin) -> FloatArray:
    assert origin.actual is not None
    return origin.actual
