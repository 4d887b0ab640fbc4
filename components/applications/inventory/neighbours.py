"""Demand of products that are new, from the first periods of products with similar texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.applications.inventory.panel import Panel
from components.contracts import FloatArray

N_NEIGHBOURS = 10
MIN_COSINE = 0.2  # of a neighbour
WORD = r"(?u)\w+"
MAX_WORDS = 512  # of the vocabulary, most frequent first


def early_demand(panel: Panel, horizon: int) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the units of each product's first `horizon` periods, and the rows of products that have as many.

    Products sold in the very first period of the data are left out: their first periods came earlier.
    """
    first = panel.first
    rows = np.flatnonzero((first > 0) & (first + horizon <= panel.n_periods))
    columns = first[rows][:, None] + np.arange(horizon)[None, :]
    return panel.quantity[rows[:, None], columns], rows


def forecast_new(panel: Panel, vectors: FloatArray, new: FloatArray, horizon: int) -> FloatArray:
    """Return (len(new), horizon): the expected units of new products in their first periods.

    vectors: (n_items, dim) unit rows of the panel's products; new: (n_new, dim), those of products without sales.
    It is the mean over the nearest products with MIN_COSINE or more, weighted by cosine; without any, the median of
    all. Without a product whose first periods are known, 0.
    """
    early, rows = early_demand(panel, horizon)
    if not len(rows):
        return np.zeros((len(new), horizon), np.float32)
    cosine = new @ vectors[rows].T
    k = min(N_NEIGHBOURS, len(rows))
    nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
    weight = np.take_along_axis(cosine, nearest, axis=1)
    weight = np.where(weight >= MIN_COSINE, weight, 0.0)
    total = weight.sum(axis=1)
    mean = (early[nearest] * weight[:, :, None]).sum(axis=1) / np.maximum(total, 1e-9)[:, None]
    return np.asarray(np.where(total[:, None] > 0, mean, np.median(early, axis=0)), np.float32)


def text_vectors(texts: list[str]) -> FloatArray:
    """Return unit vectors of the texts by their words' TF-IDF weights; zero rows where there is no word.

    For shops whose language model has made no embeddings. Dense: (n_texts, at most MAX_WORDS).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(text.strip() for text in texts):
        return np.zeros((len(texts), 1), np.float32)
    vectorizer = TfidfVectorizer(max_features=MAX_WORDS, token_pattern=WORD, dtype=np.float32)
    try:
        return np.asarray(vectorizer.fit_transform(texts).toarray(), np.float32)
    except ValueError:  # no word in any text
        return np.zeros((len(texts), 1), np.float32)
