"""What a user's profile was before each event: how many events of each kind, and how dear their products were.

It is counted over the same events that the network sees, so that nothing later than a place can be in it.
"""

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS, FloatArray
from components.recommenders.sequence.attributes import PRICE_LEVELS

WIDTH = len(EVENTS) + 1


def centred(levels: NDArray[np.int64]) -> FloatArray:
    """Return (n,) price levels in [-1, 1]; 0 where there is none."""
    middle = (PRICE_LEVELS + 1) / 2
    return np.where(levels > 0, (levels - middle) / (middle - 1), 0).astype(np.float32)


def counted(event: NDArray[np.int8], price: FloatArray) -> FloatArray:
    """Return (n, WIDTH), what each event adds: one to its kind, and its price level."""
    added = np.zeros((len(event), WIDTH), np.float32)
    added[np.arange(len(event)), event] = 1
    added[:, -1] = price
    return added


def profile(sums: FloatArray) -> FloatArray:
    """Return (n, WIDTH) features of order 1 from (n, WIDTH) sums: log counts, and the mean price level."""
    counts = sums[:, :-1]
    mean = sums[:, -1:] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    out: FloatArray = np.concatenate([np.log1p(counts) / 2, mean], axis=1).astype(np.float32)
    return out
