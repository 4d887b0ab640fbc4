"""What popularity, EASE and transitions learn from, as vectors that are summed over members.

Two sums: first values per product, from which the coordinator chooses the most popular products; then values per pair
of these. A user whose events lie with several members counts as several users.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from components.contracts import EVENTS, Catalogue, IntArray, Interactions
from components.errors import ContractError
from components.params import ModelsParams
from components.recommenders.ease import EaseRecommender, seen_once
from components.recommenders.popularity import PopularityRecommender
from components.recommenders.sums import Sums, TrainingSums
from components.recommenders.transitions import TransitionsRecommender, count_transitions

Models = dict[str, PopularityRecommender | EaseRecommender | TransitionsRecommender]


@dataclass(frozen=True)
class ItemTotals:
    """Values per product, summed over members."""

    decayed: Sums  # (n_items + 1,) weights halved per half-life
    count: Sums  # (n_items + 1,) events
    taken: Sums  # (n_items + 1,) column sums of EASE's matrix of users x items
    kinds: Sums  # (len(EVENTS),) events of each kind

    @classmethod
    def of(cls, events: Interactions, half_life_days: float) -> "ItemTotals":
        """Return the values of one member's events; raises ContractError where it has none."""
        sums = TrainingSums.of(events, [half_life_days])
        taken = np.asarray(seen_once(sums).sum(axis=0, dtype=np.float64)).ravel()
        kinds = np.bincount(events.event, minlength=len(EVENTS)).astype(np.float64)
        return cls(sums.decayed[half_life_days], sums.count.astype(np.float64), taken, kinds)

    @classmethod
    def unpack(cls, vector: Sums, n_items: int) -> "ItemTotals":
        """Return what `pack` has put end to end."""
        decayed, count, taken, kinds = np.split(vector, np.cumsum([n_items + 1] * 3))
        return cls(decayed, np.rint(count), taken, np.rint(kinds))

    def pack(self) -> Sums:
        """Return (3 n_items + 3 + len(EVENTS),)."""
        return np.concatenate([self.decayed, self.count, self.taken, self.kinds])

    def as_sums(self, half_life_days: float, now: int) -> TrainingSums:
        """Return them as sums without users: enough for popularity."""
        none = np.zeros(0, np.int64), np.zeros(0)
        count = self.count.astype(np.int64)
        return TrainingSums(0, len(count) - 1, now, *none, count, {half_life_days: self.decayed})


def translate_events(events: Interactions, own_ids: list[str], shared_ids: list[str], now: int) -> Interactions:
    """Return the events before `now` on products of the shared catalogue, with its item_idx; others are left out."""
    index = {item_id: i for i, item_id in enumerate(shared_ids) if i}
    shared = np.array([0, *(index.get(item_id, 0) for item_id in own_ids[1:])], np.int32)
    item_idx = shared[events.item_idx]
    moved = replace(events, item_idx=item_idx, n_items=len(shared_ids) - 1, now=now)
    return moved.filter((item_idx > 0) & (events.timestamp < now))


def pair_values(events: Interactions, chosen: IntArray, models: ModelsParams) -> Sums:
    """Return (m (m + 1) / 2 + m^2,) of one member: the upper triangle of EASE's X'X, then the transition counts.

    chosen: (m,) item_idx, ascending.
    """
    if not len(chosen) or chosen.min() < 1 or chosen.max() > events.n_items or (np.diff(chosen) < 1).any():
        raise ContractError(f"federated: expected item_idx 1..{events.n_items}, ascending, for the sums of pairs")
    seen = seen_once(TrainingSums.of(events))[:, chosen].astype(np.float64)
    gram = (seen.T @ seen).toarray()
    counts = count_transitions(events.by_user(), events.n_items, models.transitions)[chosen][:, chosen]
    return np.concatenate([gram[np.triu_indices(len(chosen))], counts.toarray().ravel()])


def unpack_pairs(vector: Sums, m: int) -> tuple[Sums, Sums]:
    """Return EASE's (m, m) X'X and the (m, m) transition counts; noise of rounding below 0 is cut from the counts."""
    gram = np.zeros((m, m))
    gram[np.triu_indices(m)] = vector[: m * (m + 1) // 2]
    gram += np.triu(gram, 1).T
    return gram, vector[m * (m + 1) // 2 :].reshape(m, m).clip(min=0)


def fit_models(
    totals: ItemTotals, chosen: IntArray, pairs: tuple[Sums, Sums], models: ModelsParams, items: Catalogue, now: int
) -> Models:
    """Return popularity, EASE and transitions from the sums; products that are not chosen have no pairs."""
    sums = totals.as_sums(models.popularity.half_life_days, now)
    size = sums.n_items + 1
    gram, counts = pairs
    small: NDArray[np.float64] = np.where(counts > 1e-6, counts, 0)  # a count is at least a product of two weights
    rows, columns = np.nonzero(small)
    sparse = csr_matrix((small[rows, columns], (chosen[rows], chosen[columns])), shape=(size, size))
    ease = EaseRecommender(models.ease, models.popularity)
    transitions = TransitionsRecommender(models.transitions, models.popularity)
    return {
        "popularity": PopularityRecommender(models.popularity).fit_from(sums, items),
        "ease": ease.fit_from_gram(sums, chosen, gram.astype(np.float32)),
        "transitions": transitions.fit_from_counts(sums, sparse),
    }
