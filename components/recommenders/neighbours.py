"""Item k-nearest-neighbours: items bought by the same users; BM25 weights popular items and repeats less."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.params import NeighboursParams, Params, PopularityParams
from components.recommenders.histories import Matrix, history_matrix, pick
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, matrix_arrays, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums


class NeighboursRecommender(SummedRecommender):
    """Scores are the recency-weighted history times the similarity of items."""

    name: ClassVar[str] = "neighbours"

    def __init__(self, params: NeighboursParams, popularity: PopularityParams) -> None:
        self.params = params
        self.popularity = popularity

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.neighbours."""
        return cls(params.models.neighbours, params.models.popularity)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.popularity.half_life_days

    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Find the nearest items of each item; the item itself is not among them."""
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        self.similarity = bm25_neighbours(sums.matrix(), self.params)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return history times similarity, plus the popularity prior."""
        history = history_matrix(users, self.n_items, self.params.recency)
        scores: FloatArray = (history @ self.similarity).toarray()
        return pick(scores + self.prior, items)

    def save(self, folder: Path) -> None:
        """Write the neighbours and the prior."""
        arrays = {"prior": self.prior, **matrix_arrays("similarity", self.similarity)}
        write_model(folder, self.name, 1, self.n_items, {"params": self.params, "popularity": self.popularity}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", NeighboursParams), stored.section("popularity", PopularityParams))
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model.similarity = stored.item_matrix("similarity")
        return model


def bm25_neighbours(seen: Matrix, params: NeighboursParams) -> Matrix:
    """Return (n_items + 1, n_items + 1): row i holds its n_neighbours most similar items."""
    from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight

    if not seen.nnz:  # anonymous visitors only: there are no co-occurrences
        return csr_matrix((seen.shape[1], seen.shape[1]), dtype=np.float32)
    weighted = bm25_weight(seen.T, params.k1, params.b).T.tocsr()  # items are the documents, users the terms
    model = ItemItemRecommender(K=params.n_neighbours + 1)  # one more: the item itself is among them
    model.fit(weighted, show_progress=False)
    return without_self(model.similarity, params.n_neighbours)


def without_self(similarity: Matrix, n: int) -> Matrix:
    """Return the n largest positive entries of each row off the diagonal; ties go to the first columns."""
    pairs = similarity.tocoo()
    keep = (pairs.row != pairs.col) & (pairs.data > 0)
    rows, columns, data = pairs.row[keep], pairs.col[keep], pairs.data[keep]
    order = np.lexsort((columns, -data, rows))
    rows, columns, data = rows[order], columns[order], data[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)  # within its row
    keep = rank < n
    return csr_matrix((data[keep].astype(np.float32), (rows[keep], columns[keep])), shape=similarity.shape)
