"""EASE: an item-to-item weight matrix in closed form, applied to histories with recency.

Source: Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", equation 8.
"""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack, solve_triangular
from scipy.sparse import csr_matrix, vstack

from components.blas import fresh_blas_threads
from components.contracts import Catalogue, FloatArray, IntArray, Users
from components.errors import ContractError
from components.params import EaseParams, Params, PopularityParams
from components.recommenders.histories import Matrix, history_matrix, pick
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, matrix_arrays, write_model
from components.recommenders.sums import SummedRecommender, TrainingSums

BLOCK_ROWS = 1024  # of the dense n x n matrix, where a copy is needed
FEW_USERS = 4  # times as many items as users, from which the matrix of the users is inverted


class EaseRecommender(SummedRecommender):
    """Scores are the recency-weighted history times the item-to-item weights."""

    name: ClassVar[str] = "ease"

    def __init__(self, params: EaseParams, popularity: PopularityParams) -> None:
        self.params = params
        self.popularity = popularity

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.ease."""
        return cls(params.models.ease, params.models.popularity)

    @property
    def half_life_days(self) -> float:
        """Return the half-life of the popularity that breaks ties."""
        return self.popularity.half_life_days

    @fresh_blas_threads()
    def fit_from(self, sums: TrainingSums, items: Catalogue) -> Self:
        """Invert the regularised item-item matrix of the n most popular items: time n^3 at most, memory 4 to 5 n^2."""
        seen = seen_once(sums)
        chosen = most_popular(seen, self.params.max_items)
        # no item is chosen where all visitors are anonymous
        return self._use(sums, chosen, ease_weights(seen[:, chosen], self.params.l2) if len(chosen) else None)

    @fresh_blas_threads()
    def fit_from_gram(self, sums: TrainingSums, chosen: IntArray, gram: FloatArray) -> Self:
        """Learn from the (m, m) item-item matrix X'X of the chosen items; of the sums only popularity is read."""
        return self._use(sums, chosen, weights_of_gram(gram, self.params.l2) if len(chosen) else None)

    def _use(self, sums: TrainingSums, chosen: IntArray, weights: FloatArray | None) -> Self:
        n = sums.n_items + 1
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        self.weights = csr_matrix((n, n), dtype=np.float32)
        if weights is not None:
            small = keep_largest(weights, self.params.max_weights_per_item).tocoo()
            self.weights = csr_matrix((small.data, (chosen[small.row], chosen[small.col])), shape=(n, n))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return history times weights, plus the popularity prior."""
        history = history_matrix(users, self.n_items, self.params.recency)
        scores: FloatArray = (history @ self.weights).toarray()
        return pick(scores + self.prior, items)

    def save(self, folder: Path) -> None:
        """Write the sparse weights and the prior."""
        arrays = {"prior": self.prior, **matrix_arrays("weights", self.weights)}
        write_model(folder, self.name, 1, self.n_items, {"params": self.params, "popularity": self.popularity}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", EaseParams), stored.section("popularity", PopularityParams))
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model.weights = stored.item_matrix("weights")
        return model


def seen_once(sums: TrainingSums) -> Matrix:
    """Return (n_users + 1, n_items + 1) the weights of what users took, at most 1: repeated purchases count once."""
    seen = sums.matrix()
    seen.data = seen.data.clip(max=1)
    return seen


def most_popular(seen: Matrix, n: int) -> IntArray:
    """Return the n columns with the largest sums, in column order; columns without entries are left out."""
    return choose_items(np.asarray(seen.sum(axis=0)).ravel(), n)


def choose_items(totals: NDArray[Any], n: int) -> IntArray:
    """Return the n items with the largest totals (n_items + 1,), ascending; those of no more than 0 are left out."""
    order = np.argsort(-totals, kind="stable")[:n]
    return np.sort(order[totals[order] > 0]).astype(np.int32)


def ease_weights(seen: Matrix, l2: float) -> FloatArray:
    """Return the dense (n, n) weights from row item to column item of seen (users, n); the diagonal is zero.

    float32: 4 n^2 bytes (576 MB for 12,000 items) plus, with few users, n^2 more. The last bits depend on the number
    of BLAS threads.
    Raises ContractError when the matrix cannot be inverted; a larger l2 helps.
    """
    users = seen[np.diff(seen.tocsr().indptr) > 0]
    if users.shape[0] * FEW_USERS <= users.shape[1]:
        return _weights_by_users(users, l2)
    return _weights_by_items(seen, l2)


def _weights_by_users(seen: Matrix, l2: float) -> FloatArray:
    """Return the weights from the inverse of the m x m matrix of the users: time n^2 m instead of n^3.

    (X'X + l2 I)^-1 = (I - A) / l2 with A = X' (X X' + l2 I)^-1 X (Woodbury), so the weights are A_ij / (1 - A_jj).
    """
    gram = (seen @ seen.T).toarray().astype(np.float64)
    gram[np.diag_indices(len(gram))] += l2
    factor = cholesky(gram, lower=True, overwrite_a=True).astype(np.float32)
    half = solve_triangular(factor, seen.toarray().astype(np.float32), lower=True, overwrite_b=True)  # (m, n)
    weights: FloatArray = half.T @ half
    weights /= 1 - weights.diagonal()
    weights[np.diag_indices(len(weights))] = 0
    return weights


def _weights_by_items(seen: Matrix, l2: float) -> FloatArray:
    """Return the weights from the n x n matrix of the items, which is made in blocks of 1024 rows."""
    n = seen.shape[1]
    gram = np.empty((n, n), dtype=np.float32)
    by_item = seen.T.tocsr()
    for rows in _blocks(n):
        gram[rows] = (by_item[rows] @ seen).toarray()
    return weights_of_gram(gram, l2)


def weights_of_gram(gram: FloatArray, l2: float) -> FloatArray:
    """Return the weights from the inverse of the (n, n) float32 matrix X'X + l2 I; the matrix is overwritten.

    Raises ContractError when it cannot be inverted.
    """
    n = len(gram)
    gram[np.diag_indices(n)] += l2
    # LAPACK is column-major: the upper triangle of a row-major matrix is its lower triangle
    factor, not_positive = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    inverse, singular = lapack.spotri(factor, lower=1, overwrite_c=1)
    if not_positive or singular:
        raise ContractError(f"EASE: the {n} x {n} item matrix has no inverse at l2 {l2}; raise models.ease.l2")
    weights: FloatArray = inverse.T  # (n, n), upper triangle valid
    scale = -1 / weights.diagonal()
    for rows in _blocks(n):  # mirror the upper triangle below the diagonal
        corner = np.triu(weights[rows, rows])
        weights[rows, rows] = corner + np.triu(corner, 1).T
        weights[rows.stop :, rows] = weights[rows, rows.stop :].T
    weights *= scale
    weights[np.diag_indices(n)] = 0
    return weights


def keep_largest(weights: FloatArray, n: int) -> Matrix:
    """Return the dense matrix as a sparse one with the n largest entries by magnitude per row (ties stay)."""
    parts = [csr_matrix((0, weights.shape[1]), dtype=np.float32)]
    for rows in _blocks(len(weights)):
        block = weights[rows].copy()
        if n < block.shape[1]:
            magnitude = np.abs(block)
            threshold = np.partition(magnitude, block.shape[1] - n, axis=1)[:, -n, None]
            block[magnitude < threshold] = 0
        parts.append(csr_matrix(block))
    return vstack(parts, format="csr")


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS)]
