"""A user's profile before each event: how many events of each kind, and the mean price level of their products.

It is computed from the same events that the network sees, so it contains nothing later than its position.
"""

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, FloatArray
from components.recommenders.sequence.attributes import PRICE_LEVELS

WIDTH = len(EVENTS) + 1


def centred(levels: NDArray[np.int64]) -> FloatArray:
    """Return (n,) price levels in [-1, 1]; 0 where the price is unknown."""
    middle = (PRICE_LEVELS + 1) / 2
    return np.where(levels > 0, (levels - middle) / (middle - 1), 0).astype(np.float32)


def increments(event: NDArray[np.int8], price: FloatArray) -> FloatArray:
    """Return (n, WIDTH) the increment of each event: one in the column of its kind, and its price level."""
    rows = np.zeros((len(event), WIDTH), np.float32)
    rows[np.arange(len(event)), event] = 1
    rows[:, -1] = price
    return rows


def profile(sums: FloatArray) -> FloatArray:
    """Return (n, WIDTH) features of order 1 from (n, WIDTH) sums: log counts, and the mean price level."""
    counts = sums[:, :-1]
    mean = sums[:, -1:] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    out: FloatArray = np.concatenate([np.log1p(counts) / 2, mean], axis=1).astype(np.float32)
    return out
