"""Directed transitions: what users took in the moments after an item.

A moment is all that a user did at one time: a basket, or one event. Its events are not ordered, whatever their order in
the file: so an order of ids or rows is never a signal.
"""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, diags

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.params import Params, PopularityParams, TransitionsParams
from components.ragged import Indices, Ragged
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import Matrix, check_items, merge_repeats, pick, signed
from components.recommenders.popularity import prior
from components.recommenders.storage import Stored, matrix_arrays, write_model
from components.recommenders.sums import TrainingSums

LEAST_WEIGHT = 1e-3  # of a moment of the history that is read


class TransitionsRecommender(BaseRecommender):
    """Scores are logarithms of transition counts from the user's items, those of newer moments with more weight.

    The counts are sums over users: a user's can be subtracted, a new user's added.
    """

    name: ClassVar[str] = "transitions"

    def __init__(self, params: TransitionsParams, popularity: PopularityParams) -> None:
        self.params, self.popularity = params, popularity

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the model of models.transitions."""
        return cls(params.models.transitions, params.models.popularity)

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Count the transitions of known users; the validation users are not read."""
        self.n_items, self.prior = interactions.n_items, prior(interactions, self.popularity)
        self._use(count_transitions(interactions.by_user(), interactions.n_items, self.params))
        return self

    def fit_from_counts(self, sums: TrainingSums, counts: Matrix) -> Self:
        """Learn from (n_items + 1, n_items + 1) counts of `count_transitions`; of the sums only popularity is read."""
        self.n_items, self.prior = sums.n_items, prior(sums, self.popularity)
        self._use(counts)
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return damped logarithms of counts, summed over the history, plus the popularity prior."""
        check_items(users.history.item_idx, self.n_items, "a history", lowest=1)
        moments, owner = moments_of(users.history, self.n_items)
        newest = np.cumsum(np.bincount(owner, minlength=len(users))) - 1
        weight = np.power(self.params.recency, newest[owner] - np.arange(len(owner)))  # 0^0 is 1
        recent = np.flatnonzero(weight >= LEAST_WEIGHT)
        of_user = csr_matrix(
            (weight[recent].astype(np.float32), (owner[recent], recent)), shape=(len(users), moments.shape[0])
        )
        scores: FloatArray = (of_user @ moments @ self._damped).toarray()
        return pick(scores + self.prior, items)

    def save(self, folder: Path) -> None:
        """Write the counts and the prior."""
        settings = {"params": self.params, "popularity": self.popularity}
        arrays = {"prior": self.prior, **matrix_arrays("counts", self.counts)}
        write_model(folder, self.name, 1, self.n_items, settings, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 1)
        model = cls(stored.section("params", TransitionsParams), stored.section("popularity", PopularityParams))
        model.n_items, model.prior = stored.n_items, stored.array("prior", (stored.n_items + 1,))
        model._use(stored.item_matrix("counts"))
        return model

    def _use(self, counts: Matrix) -> None:
        self.counts = counts.astype(np.float32)
        into = np.asarray(self.counts.sum(axis=0)).ravel()
        logs = self.counts.copy()
        logs.data = np.log1p(logs.data)
        self._damped = (logs @ diags(np.power(into + 1, -self.params.damping).astype(np.float32))).tocsr()


def count_transitions(histories: Ragged, n_items: int, params: TransitionsParams) -> Matrix:
    """Return (n_items + 1, n_items + 1) float64 counts: row i holds what came after item i, or with it.

    Items of one moment count 1 for each other. `max_steps` moments after it count, each step_decay of the one before,
    and against the direction the share `backward` of that. An item does not follow itself.
    """
    return count_pairs(*moments_of(histories, n_items), params)


def count_pairs(moments: Matrix, owner: Indices, params: TransitionsParams) -> Matrix:
    """Return the counts of `count_transitions` of moments (n_moments, columns), each of a row `owner`."""
    moments = moments.astype(np.float64)  # so that sums of parts are those of all to the last bits
    counts = moments.T @ moments
    for step in range(1, params.max_steps + 1):
        earlier = np.flatnonzero(owner[:-step] == owner[step:])
        forward = moments[earlier].T @ moments[earlier + step]
        counts += params.step_decay ** (step - 1) * (forward + params.backward * forward.T)
    counts = counts.tocoo()
    other = (counts.row != counts.col) & (counts.data > 0)
    return csr_matrix((counts.data[other], (counts.row[other], counts.col[other])), shape=counts.shape)


def moments_of(histories: Ragged, n_items: int) -> tuple[Matrix, Indices]:
    """Return (n_moments, n_items + 1) weights of the items of each moment, and the row that each belongs to.

    A run of events on one item is one event, the one of largest weight; returns are subtracted.
    """
    merged = merge_repeats(histories)
    owner = merged.rows
    is_first = np.ones(len(owner), bool)
    is_first[1:] = (merged.timestamp[1:] != merged.timestamp[:-1]) | (owner[1:] != owner[:-1])
    first = np.flatnonzero(is_first)
    cells = (np.cumsum(is_first) - 1, merged.item_idx)
    moments = csr_matrix((signed(merged.event, merged.weight), cells), shape=(len(first), n_items + 1))
    moments.sum_duplicates()
    moments.data = moments.data.clip(min=0)
    moments.eliminate_zeros()
    return moments, owner[first]
