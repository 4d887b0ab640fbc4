"""How the signals of a query are weighed: a product's score is the exponential of their weighted sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from components.contracts import FloatArray
from components.params import SearchWeightsParams

SIGNALS = ("words", "similarity", "popularity", "clicks")
POPULARITY_FLOOR = 1e-3  # share of the most popular product's, below which popularity says nothing
LOWEST = -60.0  # of the weighted sum below the best product's: so far down, the order does not matter


class QuerySignals(NamedTuple):
    """What is known of each product for a query; arrays are (n_items + 1,)."""

    words: FloatArray  # match by words, 1 for the best
    similarity: FloatArray  # of text, 1 for the most similar
    popularity: FloatArray  # logarithm of the share of the most popular product's, at least POPULARITY_FLOOR
    clicks: FloatArray  # logarithm of 1 + clicks after queries with these words


def log_popularity(popular: FloatArray | None, n_items: int) -> FloatArray:
    """Return (n_items + 1,) the signal; 0 for all products where popularity is not known."""
    if popular is None:
        return np.zeros(n_items + 1, dtype=np.float32)
    share = np.maximum(popular, 0) / max(float(popular.max()), 1e-9)
    logarithm: FloatArray = np.log(share + POPULARITY_FLOOR).astype(np.float32)
    return logarithm


def weigh(signals: QuerySignals, weights: SearchWeightsParams) -> FloatArray:
    """Return (n_items + 1,) scores above 0; the best product's is 1."""
    total = sum(getattr(weights, name) * getattr(signals, name) for name in SIGNALS)
    scores: FloatArray = np.exp(np.maximum(total - total.max(), LOWEST), dtype=np.float32)
    return scores
