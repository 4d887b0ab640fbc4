"""What stock-outs and holding would have cost, had the shop ordered by a method's quantiles at each origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Cycle:
    """One order cycle: what the method would fill the stock up to, and the demand until the next order."""

    item_id: Sequence[str]
    order_up_to: Float64  # (n,) units; the quantile of demand at ratio / (ratio + 1)
    demand: Float64  # (n,) units
    price: Float64  # (n,) per unit


def critical_share(ratio: float) -> float:
    """Return the quantile that costs least where a missing unit costs `ratio` times a unit left over (newsvendor)."""
    return ratio / (ratio + 1)


def simulate_cost(cycles: Sequence[Cycle], ratio: float) -> float:
    """Return the cost of all cycles, in units of the holding cost of goods worth 1 over one cycle.

    At each cycle the stock left is filled up to the method's quantile, never reduced. Demand above the stock is lost
    and costs `ratio` times the price; a unit left over costs its price. A new product starts without stock.
    """
    stock: dict[str, float] = {}
    cost = 0.0
    for cycle in cycles:
        left = np.array([stock.get(item, 0.0) for item in cycle.item_id])
        available = np.maximum(left, cycle.order_up_to)
        over, missing = np.maximum(available - cycle.demand, 0), np.maximum(cycle.demand - available, 0)
        cost += float(((over + ratio * missing) * cycle.price).sum())
        stock = dict(zip(cycle.item_id, over.tolist(), strict=True))
    return cost


def sum_horizon(values: FloatArray) -> Float64:
    """Return the demand of each product over the whole horizon."""
    return np.asarray(values.sum(axis=1), float)
