"""Ranking metrics, one value per user first and the mean second; NaN for a user without relevant items.

Relevance is binary. Ranks count from 1. `relevant` is (n_users, at least k), True where the item at that position
of the list is one of the user's targets; `n_targets` is (n_users,), the number of distinct targets. NumPy only:
training code imports this module.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, IntArray, Users
from components.errors import ContractError
from components.ragged import Ragged


def relevance(ranked: IntArray, targets: Ragged) -> BoolArray:
    """Return (n_users, k), True at the positions that hold a target; each distinct target counts once.

    ranked: (n_users, k) item indices, best first; 0 fills a list that ran out and is never relevant.
    targets: (n_users) rows. Raises ContractError when the two have different numbers of users.
    """
    if ranked.ndim != 2 or len(ranked) != len(targets):
        raise ContractError(f"ranked lists of shape {ranked.shape} for {len(targets)} users; expected one row a user")
    keys, width = _target_keys(targets, int(ranked.max(initial=0)))
    listed = np.arange(len(ranked), dtype=np.int64)[:, None] * width + ranked  # (n_users, k)
    index = np.searchsorted(keys, listed)
    found = np.zeros(ranked.shape, dtype=np.bool_)
    inside = index < len(keys)
    found[inside] = keys[index[inside]] == listed[inside]
    return found & (ranked > 0) & ~_repeated(ranked)


def count_targets(targets: Ragged) -> IntArray:
    """Return (n_users,) how many distinct items each user's targets hold."""
    keys, width = _target_keys(targets, 0)
    return np.bincount(keys // width, minlength=len(targets)).astype(np.int32)


def ndcg_at_k(relevant: BoolArray, n_targets: IntArray, k: int) -> FloatArray:
    """Return NDCG@k per user, in [0, 1]: the discounted gain over that of the best possible list of length k.

    DCG = sum over ranks r <= k of rel(r) / log2(r + 1); the ideal list has min(n_targets, k) hits in front.
    Source: Järvelin & Kekäläinen 2002, with the log2(r + 1) discount of Burges et al. 2005; gain is binary.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    gain = _first(relevant, k) @ discount  # (n_users,)
    ideal = np.concatenate([[0], np.cumsum(discount)])[np.minimum(n_targets, k)]
    return _ratio(gain, ideal, n_targets)


def recall_at_k(relevant: BoolArray, n_targets: IntArray, k: int) -> FloatArray:
    """Return the share of each user's distinct targets among the first k, in [0, 1].

    A user with more than k targets cannot reach 1. Source: Manning, Raghavan & Schütze 2008, chapter 8.
    """
    return _ratio(_first(relevant, k).sum(axis=1), n_targets, n_targets)


def mrr_at_k(relevant: BoolArray, n_targets: IntArray, k: int) -> FloatArray:
    """Return 1 / rank of each user's first hit, 0 where none is among the first k. Source: Voorhees 1999."""
    found = _first(relevant, k)
    rank = found.argmax(axis=1) + 1
    return _ratio(np.where(found.any(axis=1), 1 / rank, 0), np.ones(len(found)), n_targets)


def hit_rate_at_k(relevant: BoolArray, n_targets: IntArray, k: int) -> FloatArray:
    """Return 1 where any target is among the first k, else 0. Source: Deshpande & Karypis 2004."""
    return _ratio(np.asarray(_first(relevant, k).any(axis=1)), np.ones(len(relevant)), n_targets)


METRICS: dict[str, Callable[[BoolArray, IntArray, int], FloatArray]] = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "mrr": mrr_at_k,
    "hit_rate": hit_rate_at_k,
}


def per_user(ranked: IntArray, targets: Ragged, ks: Sequence[int]) -> dict[str, FloatArray]:
    """Return every metric at every k: "ndcg_at_10" -> (n_users,), NaN for a user without targets."""
    relevant, n_targets = relevance(ranked, targets), count_targets(targets)
    return {f"{name}_at_{k}": metric(relevant, n_targets, k) for name, metric in METRICS.items() for k in ks}


def user_means(ranked: IntArray, users: Users, ks: Sequence[int]) -> dict[str, FloatArray]:
    """Return `per_user` with one value a user, (n_users,): of one with several rows, the mean over their lists.

    ranked: (n_rows, k) lists for the rows of `users`; at least one row.
    """
    first = np.flatnonzero(np.diff(users.user_row, prepend=-1))
    counts = np.diff(first, append=len(users))
    values = per_user(ranked, users.ground_truth, ks)
    return {
        name: (np.add.reduceat(value.astype(np.float64), first) / counts).astype(np.float32)
        for name, value in values.items()
    }


def coverage_at_k(ranked: IntArray, n_items: int, k: int) -> float:
    """Return the share of the catalogue that is in the first k of any user's list, in [0, 1].

    One list for all users gives k / n_items. Source: catalogue coverage, Ge, Delgado-Battenfeld & Jannach 2010.
    """
    shown = np.zeros(n_items + 1, dtype=np.bool_)
    shown[_columns(ranked, k)] = True
    return float(shown[1:].sum() / n_items)


def novelty_at_k(ranked: IntArray, popularity: FloatArray, k: int) -> FloatArray:
    """Return the mean self-information of each user's first k items, in bits; NaN for an empty list.

    popularity: (n_items + 1,) probability of each item, as `popularity_share` gives it; above 0 but for row 0.
    Higher is less popular. Source: Zhou et al. 2010 (PNAS 107), self-information -log2 p(i), here of training events.
    """
    items = _columns(ranked, k)
    if not (popularity[1:] > 0).all():
        raise ContractError("popularity holds zeros: an unseen item has no finite novelty; use popularity_share")
    bits = np.concatenate([[0.0], -np.log2(popularity[1:].astype(np.float64))])[items]  # (n_users, k)
    filled = (items > 0).sum(axis=1)
    return _ratio(bits.sum(axis=1), filled, filled)


def popularity_share(item_idx: IntArray, n_items: int) -> FloatArray:
    """Return (n_items + 1,) each item's share of the training events, one event added to each (Laplace); row 0 is 0."""
    counts = np.bincount(item_idx, minlength=n_items + 1).astype(np.float64) + 1
    counts[0] = 0
    return np.asarray(counts / counts.sum(), dtype=np.float32)


def _columns(ranked: IntArray, k: int) -> IntArray:
    if ranked.ndim != 2 or not 1 <= k <= ranked.shape[1]:
        raise ContractError(f"k is {k}, lists are of shape {ranked.shape}; expected 1 <= k <= columns")
    return ranked[:, :k]


def _first(relevant: BoolArray, k: int) -> BoolArray:
    if relevant.ndim != 2 or not 1 <= k <= relevant.shape[1]:
        raise ContractError(f"k is {k}, lists are of shape {relevant.shape}; rank at least k items first")
    return relevant[:, :k]


def _ratio(part: NDArray[np.generic], total: NDArray[np.generic], n_targets: NDArray[np.generic]) -> FloatArray:
    out = np.full(len(part), np.nan)
    np.divide(part, total, out=out, where=n_targets.astype(np.int64) > 0)
    return out.astype(np.float32)


def _target_keys(targets: Ragged, at_least: int) -> tuple[NDArray[np.int64], int]:
    """Return the sorted distinct keys row * width + item of the targets, padding left out, and the width."""
    width = max(at_least, int(targets.item_idx.max(initial=0))) + 1
    real = targets.item_idx > 0
    return np.unique(targets.rows[real] * width + targets.item_idx[real]), width


def _repeated(ranked: IntArray) -> BoolArray:
    """Return True at each position whose item occurs earlier in the same list."""
    order = np.argsort(ranked, axis=1, kind="stable")
    ordered = np.take_along_axis(ranked, order, axis=1)
    again = np.zeros(ranked.shape, dtype=np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    out = np.zeros(ranked.shape, dtype=np.bool_)
    np.put_along_axis(out, order, again, axis=1)
    return out
