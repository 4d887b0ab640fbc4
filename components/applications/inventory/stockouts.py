"""Gaps in the sales of a product that otherwise sells: suspected stock-outs, which are not read as no demand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, IntArray

NEVER = np.iinfo(np.int32).max
MAX_PROBABILITY = 1e-3  # of so long a gap at the product's own rate
RATE_PERIODS = 8  # the rate before a gap is a mean over so many periods
CLOSED_SHARE = 0.1  # a period with less than this share of the usual lines: the shop was closed


def find_stockouts(lines: FloatArray, stock: FloatArray | None = None) -> IntArray:
    """Return (n_items, n_periods): for a period inside a suspected stock-out, when sales were seen again, else NEVER.

    Sales of a product arrive as a Poisson process at its rate before the gap, which is at least as unlikely as
    MAX_PROBABILITY during a stock-out. A gap counts from the moment it has ended: an open one may be the end of
    the product. Periods in which the whole shop sold nothing count for every product, from the next period on.
    stock: (n_items, n_periods) units at hand, NaN where unknown; a period without stock and sales counts at once.
    """
    n_items, n_periods = lines.shape
    resumed = np.full(lines.shape, NEVER, np.int32)
    rate = np.zeros(n_items)
    gap = np.zeros(n_items, np.int64)
    for period in range(n_periods):
        sold = lines[:, period] > 0
        ended = sold & (gap > 1) & (np.exp(-rate * gap) < MAX_PROBABILITY)
        for item in np.flatnonzero(ended):
            resumed[item, period - gap[item] : period] = period
        gap = np.where(sold, 0, gap + 1)
        start = max(0, period + 1 - RATE_PERIODS)
        rate = np.where(sold, lines[:, start : period + 1].mean(axis=1), rate)
    for period in np.flatnonzero(_closed(lines)).tolist():
        resumed[:, period] = np.minimum(resumed[:, period], period + 1)
    if stock is not None:
        empty = (np.nan_to_num(stock, nan=1.0) <= 0) & (lines == 0)
        resumed = np.where(empty, np.arange(n_periods)[None, :], resumed).astype(np.int32)
    return resumed


def available(resumed: IntArray, first: IntArray, period: int) -> BoolArray:
    """Return (n_items, period): whether the product was on sale, as far as it was known at the start of `period`."""
    on_sale: BoolArray = np.arange(period)[None, :] >= first[:, None]
    return on_sale & (resumed[:, :period] >= period)


def open_gap_probability(lines: FloatArray) -> NDArray[np.float64]:
    """Return for each product how likely its present run of periods without a sale is at its own rate, in [0, 1]."""
    n_items, n_periods = lines.shape
    reversed_sales = lines[:, ::-1] > 0
    gap = np.where(reversed_sales.any(axis=1), reversed_sales.argmax(axis=1), n_periods)
    last = n_periods - gap  # one after the period of the last sale
    rate = np.zeros(n_items)
    for item in np.flatnonzero(gap < n_periods):
        rate[item] = lines[item, max(0, last[item] - RATE_PERIODS) : last[item]].mean()
    return np.asarray(np.exp(-rate * gap))


def _closed(lines: FloatArray) -> BoolArray:
    total = lines.sum(axis=0)
    closed: BoolArray = total < CLOSED_SHARE * np.median(total)
    closed[-1:] = False  # the present period may be followed by a new start; nothing is known yet
    return closed
