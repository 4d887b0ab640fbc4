"""Demand per product and period, from the events of a snapshot that are earlier than a given time.

Periods end at that time, so the newest one is complete. A period is a day or a week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.returns import cancel_returned
from components.applications.inventory.stockouts import find_stockouts
from components.applications.reasons import UnmetError
from components.contracts import FloatArray, IntArray
from components.times import DAY_US, to_iso

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("user_id", "item_id", "timestamp", "event", "quantity", "price")


@dataclass(frozen=True)
class Panel:
    """One row for each product that was ever sold, one column for each period; products are sorted by id."""

    item_id: list[str]
    quantity: FloatArray  # (n_items, n_periods); units bought, less those that were soon returned
    lines: FloatArray  # (n_items, n_periods); purchase events with a quantity left
    value: FloatArray  # (n_items, n_periods); sum of quantity x price; price 1 where the shop has none
    views: FloatArray  # (n_items, n_periods)
    carts: FloatArray  # (n_items, n_periods)
    resumed: IntArray  # (n_items, n_periods); see stockouts.py
    starts: NDArray[np.int64]  # (n_periods,); microseconds at which each period starts
    period_days: int
    groups: dict[str, IntArray] = field(default_factory=dict)  # level of the hierarchy -> (n_items,) code
    counts: dict[str, int] = field(default_factory=dict)  # of the events read

    @property
    def n_periods(self) -> int:
        """Return the number of periods."""
        return int(self.quantity.shape[1])

    @property
    def first(self) -> IntArray:
        """Return the period of each product's first sale."""
        return np.asarray((self.quantity > 0).argmax(axis=1), np.int32)

    def with_groups(self, levels: Mapping[str, Sequence[str]]) -> Panel:
        """Return the panel with a hierarchy: level -> name of the group of each product."""
        codes = {level: np.unique(list(names), return_inverse=True)[1] for level, names in levels.items()}
        return replace(self, groups={k: v.astype(np.int32) for k, v in codes.items()})


def build_panel(events: pd.DataFrame, end: int, period_days: int, return_days: int) -> Panel:
    """Return the demand before `end`, in microseconds.

    events: columns COLUMNS; timestamp is a datetime in UTC without a zone, in any order.
    return_days: a return within so many days of the same user's purchase of the product cancels that purchase;
    all other returns are counted and do not change demand, for the customer wanted the product.
    Raises ContractError when the events before `end` contain no purchase, or less than one period.
    """
    at = events["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    known = at < end
    events, at = events[known], at[known]
    width = period_days * DAY_US
    sold = cancel_returned(events[events["event"].isin(("purchase", "return"))], return_days)
    n_periods = (end - int(at.min())) // width if len(sold.rows) else 0
    if n_periods < 1:
        raise UnmetError("inventory_few_purchases", days=period_days, end=to_iso(end), n=len(sold.rows))
    start = end - n_periods * width
    of_item, names = sold.rows["item_id"].factorize(sort=True)
    item_id = names.to_numpy(dtype=object).astype(str)
    period = (sold.rows["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64) - start) // width
    counted = period >= 0  # the first days, which fill no period, are dropped
    shape = (len(item_id), n_periods)
    units = sold.rows["quantity"].to_numpy(float)
    price = sold.rows["price"].to_numpy(float)
    price = np.where(np.isfinite(price), price, np.nanmean(price) if np.isfinite(price).any() else 1.0)

    def total(weights: NDArray[np.float64]) -> FloatArray:
        return _sum_cells(of_item[counted], period[counted], weights[counted], shape)

    lines = total(np.ones(len(units)))
    panel = Panel(
        item_id=item_id.tolist(),
        quantity=total(units),
        lines=lines,
        value=total(units * price),
        views=_count(events, at, "view", item_id, start, width, shape),
        carts=_count(events, at, "cart", item_id, start, width, shape),
        resumed=find_stockouts(lines),
        starts=start + width * np.arange(n_periods, dtype=np.int64),
        period_days=period_days,
        counts={**sold.counts, "before_first_period": int((~counted).sum())},
    )
    return _keep_sold(panel)


def _keep_sold(panel: Panel) -> Panel:
    """Return the panel without products that were sold only before its first period."""
    rows = np.flatnonzero(panel.quantity.sum(axis=1) > 0)
    arrays = {name: getattr(panel, name)[rows] for name in ("quantity", "lines", "value", "views", "carts", "resumed")}
    return replace(panel, item_id=[panel.item_id[row] for row in rows], **arrays)


def _count(
    events: pd.DataFrame,
    at: NDArray[np.int64],
    event: str,
    item_id: NDArray[np.str_],
    start: int,
    width: int,
    shape: tuple[int, int],
) -> FloatArray:
    """Return the number of events of one kind in each cell."""
    mask = (events["event"] == event).to_numpy() & (at >= start)
    if not mask.any():
        return np.zeros(shape, np.float32)
    code, names = events["item_id"][mask].factorize()
    rows = {name: row for row, name in enumerate(item_id.tolist())}
    row = np.array([rows.get(name, -1) for name in names], np.int64)[code]
    hit = row >= 0  # others were never sold
    return _sum_cells(row[hit], (at[mask][hit] - start) // width, np.ones(int(hit.sum())), shape)


def _sum_cells(
    row: NDArray[np.int64], column: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, int]
) -> FloatArray:
    sums = np.bincount(row * shape[1] + column, weights, shape[0] * shape[1])
    return np.asarray(sums.reshape(shape), np.float32)
