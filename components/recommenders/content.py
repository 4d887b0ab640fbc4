"""Nearest texts: products whose description is similar to the user's products. Scores cold items, too."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.blas import fresh_blas_threads
from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Ranked, Users
from components.errors import ContractError
from components.params import ContentParams, Params, PopularityParams
from components.recommenders.ann_index import AnnIndex
from components.recommenders.histories import check_items, history_matrix
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums


class ContentRecommender(SummedRecommender):
    """Scores are cosines of an item's embedding to the recency-weighted mean of the history's."""

    name: ClassVar[str] = "content"
    scores_cold_items: ClassVar[bool] = True

    def __init__(self, params: ContentParams, popularity: PopularityParams, ann_min_items: int) -> None:
        """ann_min_items: catalogues of this size or larger keep all dimensions, as their ANN index does."""
        self.params, self.popularity, self.ann_min_items = params, popularity, ann_min_items
        self.ann: AnnIndex | None = None  # of a large catalogue

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.content."""
        return cls(params.models.content, params.models.popularity, params.ann.min_items)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.popularity.half_life_days

    @fresh_blas_threads()
    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Keep the catalogue's embeddings, projected on their leading directions, in float16.

        Raises ContractError where there are none.
        """
        embedding = items.embedding
        if embedding is None or embedding.shape[0] != sums.n_items + 1 or not np.isfinite(embedding).all():
            found = "none" if embedding is None else f"{embedding.shape}, finite: {bool(np.isfinite(embedding).all())}"
            raise ContractError(
                f"content: expected finite embeddings of {sums.n_items + 1} rows, got {found}; run `encode`"
            )
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        if sums.n_items < self.ann_min_items and 0 < self.params.dims < embedding.shape[1]:
            embedding = embedding @ leading_directions(embedding, self.params.dims)
        self._set_embedding(embedding.astype(np.float16))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return cosines in [-1, 1]; 0 and a tiny popularity for items without text and users without history."""
        means = self._means(users)
        if items is None:
            return means @ self._columns + self.prior
        check_items(items, self.n_items, "`items`")
        return means @ self.vectors[items].T + self.prior[items]

    def recommend(self, users: Users, k: int, exclude_seen: bool = True, candidates: BoolArray | None = None) -> Ranked:
        """See BaseRecommender; with an ANN index all scores and nearly all lists are the same."""
        if self.ann is None:
            return super().recommend(users, k, exclude_seen, candidates)
        ranked = Ranked(np.zeros((len(users), k), np.int32), np.full((len(users), k), -np.inf, np.float32))
        for row, mean in enumerate(self._means(users)):
            one = users.slice(row, row + 1)
            if not mean.any():
                best = super().recommend(one, k, exclude_seen, candidates)
            else:
                seen = np.unique(one.history.item_idx) if exclude_seen else None
                best = self.ann.nearest(mean, self.vectors, k, candidates, seen, self.prior)
            ranked.items[row, : best.items.shape[1]] = best.items[0]
            ranked.scores[row, : best.items.shape[1]] = best.scores[0]
        return ranked

    def use_ann_index(self, index: AnnIndex) -> bool:
        """Return whether the model uses the index for lists from now on: its vectors must have the same width."""
        self.ann = index if self.vectors.shape[1] == index.dim else None
        return self.ann is not None

    def _means(self, users: Users) -> FloatArray:
        """Return (n_users, dim) unit vectors: the histories' weighted means."""
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
        params = stored.section("params", ContentParams, dims=0)
        model = cls(params, stored.section("popularity", PopularityParams), 0)
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model._set_embedding(stored.array("embedding", (stored.n_items + 1, None), np.float16))
        return model

    @cached_property
    def _columns(self) -> FloatArray:
        """Return (dim, n_items + 1) the vectors as columns: a matrix product with few rows takes half of the time."""
        return np.ascontiguousarray(self.vectors.T)

    def _set_embedding(self, embedding: np.ndarray) -> None:
        self.__dict__.pop("_columns", None)
        self.embedding = embedding
        self.vectors = unit_rows(embedding.astype(np.float32))


def leading_directions(rows: FloatArray, n: int) -> FloatArray:
    """Return (dim, n) the right singular vectors of the n largest singular values (uncentred PCA)."""
    precise = rows.astype(np.float64)
    _, directions = np.linalg.eigh(precise.T @ precise)  # eigenvalues ascending
    return directions[:, -n:].astype(np.float32)


def unit_rows(rows: FloatArray) -> FloatArray:
    """Return the rows at length 1; rows of zeros stay zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: FloatArray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
