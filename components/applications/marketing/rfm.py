"""Recency-frequency-value segments: scores by quantile edges, and fixed rules that name a segment.

The edges are computed once and carried over, so that a segment means the same in each week. A user near an edge keeps
the last score until the value is clearly beyond the edge: else users would change segment without changing behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.contracts import Record
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

N_SCORES = 5  # 5 is best: most recent, most orders, most money
COLUMNS = {"recency": "recency_days", "frequency": "orders", "value": "value"}  # score -> column of the user table
MARGIN = 0.25  # share of the edge by which a value must be beyond it before the score changes
NEW_DAYS = 28  # days since the first order within which a customer is new
MIN_CUSTOMERS = 20
Scores = NDArray[np.int8]

SEGMENTS = {  # name -> description, in the order of the rules
    "visitors": "No order yet.",
    "new": f"First order within the last {NEW_DAYS} days.",
    "best": "Ordered recently, order often, and spend much.",
    "loyal": "Order often, and ordered not long ago.",
    "at risk": "Ordered often or spent much, but not for a long time.",
    "big spenders": "Few orders of high value.",
    "lapsed": "Few orders, and none for a long time.",
    "occasional": "Few orders, the last one not long ago.",
}


class RfmEdges(Record):
    """The inner edges between the scores of each measure, ascending; at most N_SCORES - 1, fewer where values tie."""

    recency: list[float]  # days
    frequency: list[float]  # orders
    value: list[float]  # the shop's currency


def fit_edges(users: pd.DataFrame) -> RfmEdges:
    """Return the quantiles of the customers with an order; raises ContractError for fewer than MIN_CUSTOMERS."""
    customers = users[users["orders"] > 0]
    if len(customers) < MIN_CUSTOMERS:
        raise ContractError(
            f"segments: {len(customers)} users with an order, expected {MIN_CUSTOMERS} or more; wait for more history"
        )
    shares = np.arange(1, N_SCORES) / N_SCORES
    edges = {
        name: np.unique(np.quantile(customers[column], shares, method="lower")).tolist()
        for name, column in COLUMNS.items()
    }
    return RfmEdges(**edges)


def score_users(users: pd.DataFrame, edges: RfmEdges, previous: pd.DataFrame | None = None) -> dict[str, Scores]:
    """Return the scores "recency", "frequency" and "value" of each user, 1..N_SCORES; 0 without an order.

    previous: user_id and the scores of an earlier run; a user within MARGIN of the edge keeps that score.
    """
    scores = {}
    for name, column in COLUMNS.items():
        values = users[column].to_numpy(np.float64)
        own = _score(values, getattr(edges, name), name)
        if previous is not None:
            earlier = previous.set_index("user_id")[name].reindex(users["user_id"]).fillna(0).to_numpy(np.int8)
            own = _keep_near_edges(values, getattr(edges, name), name, own, earlier)
        scores[name] = np.where(users["orders"] > 0, own, 0).astype(np.int8)
    return scores


def name_segments(users: pd.DataFrame, scores: Mapping[str, Scores]) -> list[str]:
    """Return the segment of each user: the first of SEGMENTS whose rule holds."""
    recency, frequency, value = (scores[name] for name in COLUMNS)
    often, much = frequency >= 4, value >= 4
    rules = [
        (users["orders"] == 0).to_numpy(),
        (users["first_order_days"] <= NEW_DAYS).to_numpy(),
        (recency >= 3) & often & much,
        (recency >= 2) & often,
        (recency <= 1) & (often | much),
        much,
        recency <= 1,
    ]
    names: list[str] = np.select(rules, list(SEGMENTS)[:-1], list(SEGMENTS)[-1]).tolist()
    return names


def _score(values: NDArray[np.float64], edges: list[float], name: str) -> Scores:
    """Return 1..N_SCORES; a value at an edge is on its lower side, and with fewer edges the scores stay spread."""
    bins = np.searchsorted(edges, values, side="left")  # 0..len(edges)
    spread = np.round(1 + bins * (N_SCORES - 1) / max(len(edges), 1))
    return np.asarray(N_SCORES + 1 - spread if name == "recency" else spread, np.int8)


def _keep_near_edges(
    values: NDArray[np.float64], edges: list[float], name: str, own: Scores, earlier: Scores
) -> Scores:
    """Return the scores, the earlier one where the value moved by less than MARGIN reaches it."""
    reach = [_score(values * factor, edges, name) for factor in (1 - MARGIN, 1 + MARGIN)]
    is_near = (earlier >= np.minimum(*reach)) & (earlier <= np.maximum(*reach)) & (earlier > 0)
    return np.where(is_near, earlier, own).astype(np.int8)
