"""Products that nobody took yet: models that learn from events alone give them the scores of what reads like them."""

from __future__ import annotations

from typing import Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions
from components.errors import ContractError
from components.recommenders.base import top_k
from components.recommenders.histories import Matrix

LIKES = 10  # products that one borrows from
SHARPNESS = 20.0  # of the softmax over their cosines
AT_ONCE = 1024  # products whose likes are looked for at once: bounds memory


class Newcomers:
    """Which products these are, and from which they borrow; `share` of the way from their own score to the borrowed."""

    def __init__(self, items: IntArray, likes: IntArray, weights: FloatArray, n_items: int) -> None:
        """Items (n,), likes and weights (n, LIKES or fewer); weights of a row add up to 1."""
        from scipy.sparse import csr_matrix

        if likes.shape != weights.shape or len(likes) != len(items):
            raise ContractError(f"newcomers: {len(items)} items, likes {likes.shape}, weights {weights.shape}")
        self.items, self.likes, self.weights = items, likes, weights
        self.share = 0.0
        starts = np.arange(len(items) + 1) * likes.shape[1]
        self.matrix: Matrix = csr_matrix((weights.ravel(), likes.ravel(), starts), shape=(len(items), n_items + 1))

    @classmethod
    def of(cls, interactions: Interactions, catalogue: Catalogue, lenders: int) -> Self:
        """Find the likes of each product without events among the `lenders` products that have most of them.

        Raises ContractError where the catalogue has no embeddings. A product without text borrows nothing.
        """
        vectors, n = catalogue.embedding, interactions.n_items
        if vectors is None or len(vectors) != n + 1:
            raise ContractError(f"newcomers: expected embeddings of {n + 1} rows; run `encode`")
        events = np.bincount(interactions.item_idx, minlength=n + 1)
        known = np.flatnonzero(events[1:] > 0) + 1
        known = np.sort(known[np.argsort(-events[known], kind="stable")[:lenders]])
        items = (np.flatnonzero((events[1:] == 0) & vectors[1:].any(axis=1)) + 1).astype(np.int32)
        width = min(LIKES, len(known))
        likes, weights = np.zeros((len(items), width), np.int32), np.zeros((len(items), width), np.float32)
        for start in range(0, len(items), AT_ONCE):
            best = top_k(vectors[items[start : start + AT_ONCE]] @ vectors[known].T, width)
            rows = slice(start, start + len(best.items))
            likes[rows] = known[best.items]
            closeness = np.exp(SHARPNESS * (best.scores - best.scores[:, :1]))
            weights[rows] = closeness / closeness.sum(axis=1, keepdims=True)
        return cls(items, likes, weights, n)

    def lend(self, scores: FloatArray, share: float | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores in which newcomers have borrowed `share` (self.share); in place."""
        share = self.share if share is None else share
        if share and len(self.items):
            borrowed = (self.matrix @ scores.T).T  # (n_users, n)
            scores[:, self.items] += share * (borrowed - scores[:, self.items])
        return scores
