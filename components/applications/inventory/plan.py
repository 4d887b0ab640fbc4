"""The forecasts that ship, and what they ask the shop to do: one row per product, and one per product and period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.backtest import DemandBacktest
from components.applications.inventory.gate import SEGMENTS, SegmentVerdict, segment_of
from components.applications.inventory.metrics import QUANTILES
from components.applications.inventory.panel import Panel
from components.applications.inventory.policy import OrderRule, plan_orders, suggest_actions
from components.applications.inventory.quantiles import Errors
from components.applications.inventory.rolling import (
    MODEL,
    ForecastOrigin,
    Prediction,
    fit_totals,
    method_errors,
    predict_all,
    scale_series,
)
from components.applications.inventory.stockouts import open_gap_probability
from components.contracts import FloatArray
from components.times import DAY_US, to_iso

if TYPE_CHECKING:
    import pandas as pd

SHARES = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99])
NEIGHBOURS = "text_neighbours"  # the method of new products
USUAL_DAYS = 91  # the usual demand is a mean over so many days

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class InventoryPlan:
    """What the application publishes."""

    products: pd.DataFrame  # one row per product, most urgent first
    forecasts: pd.DataFrame  # one row per product and coming period


def make_plan(
    panel: Panel,
    origin: ForecastOrigin,
    backtest: DemandBacktest,
    verdicts: Sequence[SegmentVerdict],
    stock: Float64,
    rule: OrderRule,
    n_protected: int,
) -> InventoryPlan:
    """Return the plan for the products of `origin`, the end of the data; each gets the method that ships for it.

    stock: (n_items of the origin,) units, NaN where unknown. n_protected: periods that stock has to last for.
    """
    predictions = predict_all(origin, backtest.origins)
    methods = choose_methods(origin, verdicts)
    n, horizon = predictions[MODEL].mean.shape
    mean, low, high = (np.zeros((n, horizon), np.float32) for _ in range(3))
    quantiles = np.zeros((n, horizon, len(QUANTILES)), np.float32)
    protection = np.zeros((n, len(SHARES)))
    for method in sorted(set(methods)):
        rows = np.flatnonzero(np.array(methods) == method)
        found: Prediction = predictions[method]
        mean[rows], low[rows], high[rows] = found.mean[rows], found.low[rows], found.high[rows]
        quantiles[rows] = found.quantiles[rows]
        known = method_errors(method, backtest.origins)
        protection[rows] = protected_demand(found.mean, origin, known, n_protected)[rows]
    products = describe_products(panel, origin, methods, mean, protection, stock, rule)
    return InventoryPlan(products, forecast_rows(panel, origin.item_id, mean, low, high, quantiles))


def choose_methods(origin: ForecastOrigin, verdicts: Sequence[SegmentVerdict]) -> list[str]:
    """Return the name of the method that ships for each product: that of its segment."""
    by_segment = {verdict.segment: verdict.ships for verdict in verdicts}
    default = MODEL if MODEL in by_segment.values() or not verdicts else verdicts[0].ships
    names = list(SEGMENTS)
    return [by_segment.get(names[number], default) for number in segment_of(origin.series.density).tolist()]


def protected_demand(mean: FloatArray, origin: ForecastOrigin, known: Sequence[Errors], n_protected: int) -> Float64:
    """Return (n, len(SHARES)): the quantiles of the demand summed over the first n_protected periods."""
    cut = [Errors(e.series, e.forecast[:, :n_protected], e.actual[:, :n_protected]) for e in known]
    total = mean[:, :n_protected].sum(axis=1, keepdims=True)
    series = scale_series(origin.series, n_protected)
    return np.asarray(fit_totals(cut).predict(total, series, SHARES.tolist())[:, 0, :], float)


def describe_products(
    panel: Panel,
    origin: ForecastOrigin,
    methods: Sequence[str],
    mean: FloatArray,
    protection: Float64,
    stock: Float64,
    rule: OrderRule,
) -> pd.DataFrame:
    """Return one row per product with its orders and its action; most urgent first, then by value."""
    import pandas as pd

    position = {name: row for row, name in enumerate(panel.item_id)}
    rows = np.array([position[name] for name in origin.item_id], np.int64)
    lines, days = panel.lines[rows], panel.period_days
    per_day = mean.mean(axis=1).astype(float) / days
    usual = origin.history[:, -max(1, USUAL_DAYS // days) :].mean(axis=1).astype(float) / days
    orders = plan_orders(per_day, protection, SHARES, stock, rule)
    gap = open_gap_probability(lines)
    since = np.where((lines > 0).any(axis=1), (lines[:, ::-1] > 0).argmax(axis=1), panel.n_periods)
    table = pd.DataFrame(
        {
            "item_id": origin.item_id,
            "action": suggest_actions(orders, stock, per_day, usual, gap),
            "method": list(methods),
            "demand_per_day": per_day,
            "usual_per_day": usual,
            "reorder_point": orders.reorder_point,
            "order_up_to": orders.order_up_to,
            "order_quantity": orders.order_quantity,
            "stock": stock,
            "days_of_cover": orders.days_of_cover,
            "stockout_probability": orders.stockout_probability,
            "gap_probability": gap,
            "days_since_sale": (since * days).astype(float),
            "price": origin.price,
            "holding_cost_per_year": np.where(np.isfinite(stock), stock * origin.price * rule.holding_cost, np.nan),
        }
    )
    urgency = table["stockout_probability"].fillna(-1.0)
    worth = per_day * origin.price
    order = np.lexsort((np.array(origin.item_id), -worth, -urgency.to_numpy(), (table["action"] != "order").to_numpy()))
    return table.iloc[order].reset_index(drop=True)


def forecast_rows(
    panel: Panel, item_id: Sequence[str], mean: FloatArray, low: FloatArray, high: FloatArray, quantiles: FloatArray
) -> pd.DataFrame:
    """Return one row per product and coming period, with the start of the period (ISO) and the quantiles."""
    import pandas as pd

    n, horizon = mean.shape
    width = panel.period_days * DAY_US
    starts = [to_iso(int(panel.starts[-1]) + width * (step + 1)) for step in range(horizon)]
    columns = {f"q{round(100 * share):02d}": quantiles[:, :, k].ravel() for k, share in enumerate(QUANTILES)}
    return pd.DataFrame(
        {
            "item_id": np.repeat(np.array(item_id, dtype=object), horizon),
            "step": np.tile(np.arange(1, horizon + 1), n),
            "start": np.tile(np.array(starts, dtype=object), n),
            "mean": mean.ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            **columns,
        }
    )
