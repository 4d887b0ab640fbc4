"""The order that no boost changes: the article number first, products with all words before those with none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray

NO_WORD, SOME_WORDS, ALL_WORDS, ARTICLE_NUMBER = range(4)  # how a product matches a query by words
Kinds = NDArray[np.int8]
BELOW = np.float32(0.999)


def keep_order(scores: FloatArray, kinds: Kinds) -> FloatArray:
    """Return scores under which every product of a kind stands where it must; scores of 0 are not listed and stay 0.

    scores: (n,) at least 0; kinds: (n,). Products that match by meaning alone are scaled until the best of them is
    below all products that have every word of the query; the order among them stays. A product whose article number is
    the query is lifted above all others.
    """
    scores = scores.astype(np.float32)
    no_word, all_words, is_id = (kinds == kind for kind in (NO_WORD, ALL_WORDS, ARTICLE_NUMBER))
    floor = scores[all_words & (scores > 0)].min(initial=np.inf)
    ceiling = scores[no_word].max(initial=0)
    if ceiling >= floor:
        scores[no_word] *= BELOW * floor / ceiling
    scores[is_id & (scores > 0)] += scores.max(initial=0)
    return scores


def match_kinds(scores: FloatArray, has_all: NDArray[Any], is_id: NDArray[Any]) -> Kinds:
    """Return how each product matches a query by words."""
    kinds = np.where(scores > 0, SOME_WORDS, NO_WORD).astype(np.int8)
    kinds[has_all] = ALL_WORDS
    kinds[is_id] = ARTICLE_NUMBER
    return kinds
