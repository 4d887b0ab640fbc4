"""What to order and when, and which products move too slowly, from the quantiles of demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray

SLOW_COVER_DAYS = 180.0  # stock for longer than this, at the expected demand, is too much
SLOW_SHARE = 0.25  # of its mean since the first sale: expected demand below it is slow
GAP_PROBABILITY = 1e-3  # of the present gap in sales: below it, the product is probably not on sale

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class OrderRule:
    """The shop's terms."""

    lead_time_days: float  # from an order to the goods on the shelf
    review_days: float  # between two looks at the stock
    service_level: float  # probability that the stock lasts over lead time and review
    holding_cost: float  # per year, share of the price


@dataclass(frozen=True)
class Orders:
    """One value per product."""

    reorder_point: Float64  # units; order when the stock is at or below it
    order_up_to: Float64  # units
    order_quantity: Float64  # units, whole; 0 where the known stock is above the reorder point
    stockout_probability: Float64  # within lead time and review, without an order; NaN where the stock is unknown
    days_of_cover: Float64  # that the known stock lasts at the expected demand; NaN where it is unknown


def critical_ratio(stockout_cost_ratio: float) -> float:
    """Return the service level that costs least where a missing unit costs so many times a unit left over."""
    return stockout_cost_ratio / (stockout_cost_ratio + 1)


def plan_orders(per_day: Float64, protection: Float64, shares: Float64, stock: Float64, rule: OrderRule) -> Orders:
    """Return what to order, by periodic review.

    per_day: (n,) expected units a day. stock: (n,) units at hand and ordered, NaN where unknown.
    protection: (n, len(shares)) quantiles of the demand over lead time and review at these shares, ascending.
    The reorder point is the quantile at the service level; stock is filled up to that and the demand of a review more.
    Where the stock is unknown, the quantity is that of an order placed at the reorder point.
    """
    point = np.array([np.interp(rule.service_level, shares, row) for row in protection])
    up_to = point + per_day * rule.review_days
    known = np.isfinite(stock)
    wanted = np.ceil(np.where(known, up_to - stock, up_to - point) - 1e-6)
    due = ~known | (stock <= point)
    quantity = np.where(due, np.maximum(wanted, 0), 0)
    pairs = zip(stock, protection, strict=True)
    enough = np.array([np.interp(units, row, shares, left=0.0, right=1.0) for units, row in pairs])
    with np.errstate(divide="ignore", invalid="ignore"):
        cover = np.where(known, np.maximum(stock, 0) / np.maximum(per_day, 1e-9), np.nan)
    return Orders(point, up_to, quantity, np.where(known, 1 - enough, np.nan), cover)


def suggest_actions(
    orders: Orders, stock: Float64, per_day: Float64, usual_per_day: Float64, gap_probability: Float64
) -> list[str]:
    """Return for each product "order", "check stock", "discount", "stop ordering" or "none", the first that holds.

    check stock: it has not sold for so long that it is probably out of stock, or off sale.
    order: the known stock is at or below the reorder point. discount: the known stock lasts over SLOW_COVER_DAYS.
    stop ordering: the stock is unknown, and expected demand is below SLOW_SHARE of the usual.
    """
    known = np.isfinite(stock)
    rules: list[tuple[str, BoolArray]] = [
        ("order", known & (stock <= orders.reorder_point) & (orders.order_quantity > 0)),
        ("check stock", (gap_probability < GAP_PROBABILITY) & ~(known & (stock > 0))),
        ("discount", known & (stock > 0) & (orders.days_of_cover > SLOW_COVER_DAYS)),
        ("stop ordering", ~known & (per_day < SLOW_SHARE * usual_per_day)),
    ]
    names = np.full(len(stock), "none", dtype=object)
    for name, holds in reversed(rules):
        names[holds] = name
    return [str(name) for name in names]
