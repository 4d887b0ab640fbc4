"""Nearest texts: products whose description reads like what the user chose. Knows new products from day one."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Interactions, Ranked, Users
from components.errors import ContractError
from components.params import ContentParams, PopularityParams
from components.recommenders.ann_index import Nearest
from components.recommenders.base import BaseRecommender, top_k
from components.recommenders.histories import check_items, history_matrix
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, write_model


class ContentRecommender(BaseRecommender):
    """Scores are cosines of an item's embedding to the recency-weighted mean of the history's."""

    name: ClassVar[str] = "content"
    knows_new: ClassVar[bool] = True

    def __init__(self, params: ContentParams, popularity: PopularityParams, large: int) -> None:
        """large: catalogues of so many items keep whole vectors, among which a graph finds the nearest."""
        self.params, self.popularity, self.large = params, popularity, large
        self.nearest: Nearest | None = None  # of a large catalogue: lists are looked for there

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Keep the catalogue's embeddings along their leading directions, to the precision of float16.

        Raises ContractError where there are none.
        """
        embedding = items.embedding
        if embedding is None or embedding.shape[0] != interactions.n_items + 1 or not np.isfinite(embedding).all():
            came = "none" if embedding is None else f"{embedding.shape}, finite: {bool(np.isfinite(embedding).all())}"
            raise ContractError(
                f"content: expected finite embeddings of {interactions.n_items + 1} rows, came {came}; run `encode`"
            )
        self.n_items, self.prior = interactions.n_items, prior(interactions, self.popularity)
        if interactions.n_items < self.large and 0 < self.params.dims < embedding.shape[1]:
            embedding = embedding @ leading(embedding, self.params.dims)
        self._keep(embedding.astype(np.float16))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines in [-1, 1]; 0 and a tiny popularity for items without text and users without history."""
        means = self._means(users)
        if items is None:
            return means @ self._columns + self.prior
        check_items(items, self.n_items, "`items`")
        return means @ self.vectors[items].T + self.prior[items]

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: BoolArray | None = None) -> Ranked:
        """See BaseRecommender; with a graph the scores are the same, and nearly all lists."""
        if self.nearest is None:
            return super().recommend(users, k, exclude_seen, candidates)
        ranked = Ranked(np.zeros((len(users), k), np.int32), np.full((len(users), k), -np.inf, np.float32))
        for row, mean in enumerate(self._means(users)):
            one = users.slice(row, row + 1)
            if not mean.any():
                best = super().recommend(one, k, exclude_seen, candidates)
            else:
                barred = np.unique(one.history.item_idx) if exclude_seen else None
                items = self.nearest.around(mean, k, candidates, barred)
                best = top_k((self.vectors[items] @ mean + self.prior[items])[None], k)
                best = Ranked(np.where(np.isneginf(best.scores), 0, items[best.items]), best.scores)
            ranked.items[row, : best.items.shape[1]] = best.items[0]
            ranked.scores[row, : best.items.shape[1]] = best.scores[0]
        return ranked

    def _means(self, users: Users) -> FloatArray:
        """Return (n_users, dim) the directions of the histories' weighted means."""
        history = history_matrix(users, self.n_items, self.params.recency)
        return unit_rows(history @ self.vectors)

    def save(self, folder: Path) -> None:
        """Write the embeddings and the prior."""
        settings = {"params": self.params, "popularity": self.popularity}
        write_model(folder, self.name, 1, self.n_items, settings, {"prior": self.prior, "embedding": self.embedding})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        if isinstance(params := stored.settings.get("params"), dict):
            params.setdefault("dims", 0)  # champions from before there was a choice compare all directions
        model = cls(stored.section("params", ContentParams), stored.section("popularity", PopularityParams), 0)
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model._keep(stored.array("embedding", (stored.n_items + 1, None), np.float16))
        return model

    @cached_property
    def _columns(self) -> FloatArray:
        """Return (dim, n_items + 1) the vectors as columns: a product with few rows takes half of the time."""
        return np.ascontiguousarray(self.vectors.T)

    def _keep(self, embedding: np.ndarray) -> None:
        self.__dict__.pop("_columns", None)
        self.embedding = embedding
        self.vectors = unit_rows(embedding.astype(np.float32))


def leading(rows: FloatArray, n: int) -> FloatArray:
    """Return (dim, n) the directions in which the rows reach farthest: those of the singular value decomposition."""
    whole = rows.astype(np.float64)
    _, directions = np.linalg.eigh(whole.T @ whole)  # the farthest last
    return directions[:, -n:].astype(np.float32)


def unit_rows(rows: FloatArray) -> FloatArray:
    """Return the rows at length 1; rows of zeros stay zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: FloatArray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
