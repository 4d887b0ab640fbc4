"""Cold items: models that learn from events alone score an item without events by the items with similar texts."""

from __future__ import annotations

from typing import Self

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, Interactions
from components.errors import ContractError
from components.recommenders.content import unit_rows
from components.recommenders.histories import Matrix
from components.recommenders.top_k import top_k

N_NEIGHBOURS = 10  # warm items whose mean score a cold item gets
SHARPNESS = 20.0  # of the softmax over their cosines
BATCH = 1024  # cold items compared at once: bounds memory


def joint_vectors(embedding: FloatArray, vectors: dict[str, FloatArray] | None) -> FloatArray:
    """Return (n, dims) rows of length 1, or 0: texts and modalities side by side; without modalities the embedding.

    The product of two rows is the sum of the cosines of what both products have, over the root of how many each has.
    """
    if not vectors:
        return embedding
    return unit_rows(np.concatenate([embedding, *(vectors[name] for name in sorted(vectors))], axis=1))


class ColdItemSmoother:
    """Moves the scores of cold items by `blend_weight` towards the weighted mean score of their text neighbours."""

    def __init__(self, items: IntArray, neighbours: IntArray, weights: FloatArray, n_items: int) -> None:
        """Take items (n,), neighbours and weights (n, N_NEIGHBOURS or fewer); weights of a row add up to 1."""
        from scipy.sparse import csr_matrix

        if neighbours.shape != weights.shape or len(neighbours) != len(items):
            raise ContractError(
                f"cold items: {len(items)} items, neighbours {neighbours.shape}, weights {weights.shape}; "
                "expected one row an item"
            )
        self.items, self.neighbours, self.weights = items, neighbours, weights
        self.blend_weight = 0.0
        starts = np.arange(len(items) + 1) * neighbours.shape[1]
        shape = (len(items), n_items + 1)
        self.matrix: Matrix = csr_matrix((weights.ravel(), neighbours.ravel(), starts), shape=shape)

    @classmethod
    def of(cls, interactions: Interactions, catalogue: Catalogue, pool: int) -> Self:
        """Find the neighbours of each item without events among the `pool` items with most events.

        Raises ContractError where the catalogue has no embeddings. An item without text has no neighbours.
        """
        n = interactions.n_items
        if catalogue.embedding is None or len(catalogue.embedding) != n + 1:
            raise ContractError(f"cold items: expected embeddings of {n + 1} rows; run `encode`")
        vectors = joint_vectors(catalogue.embedding, catalogue.vectors)
        events = np.bincount(interactions.item_idx, minlength=n + 1)
        warm = np.flatnonzero(events[1:] > 0) + 1
        warm = np.sort(warm[np.argsort(-events[warm], kind="stable")[:pool]])
        items = (np.flatnonzero((events[1:] == 0) & vectors[1:].any(axis=1)) + 1).astype(np.int32)
        width = min(N_NEIGHBOURS, len(warm))
        neighbours, weights = np.zeros((len(items), width), np.int32), np.zeros((len(items), width), np.float32)
        for start in range(0, len(items), BATCH):
            best = top_k(vectors[items[start : start + BATCH]] @ vectors[warm].T, width)
            rows = slice(start, start + len(best.items))
            neighbours[rows] = warm[best.items]
            similarity = np.exp(SHARPNESS * (best.scores - best.scores[:, :1]))
            weights[rows] = similarity / similarity.sum(axis=1, keepdims=True)
        return cls(items, neighbours, weights, n)

    def smooth(self, scores: FloatArray, blend_weight: float | None = None) -> FloatArray:
        """Return (n_users, n_items + 1) scores with those of cold items moved by blend_weight; in place.

        blend_weight: in [0, 1], None for self.blend_weight.
        """
        weight = self.blend_weight if blend_weight is None else blend_weight
        if weight and len(self.items):
            means = (self.matrix @ scores.T).T  # (n_users, n)
            scores[:, self.items] += weight * (means - scores[:, self.items])
        return scores
