"""Weights of a blend, learned on validation users by coordinate ascent on NDCG; a part that does not help gets none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, IntArray, Recommender, Users
from components.evaluation.metrics import count_targets, relevance

K = 10  # of the NDCG that is maximised
GRID = (0.0, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.5)  # weights that are compared for a part
ROUNDS = 10  # over all parts, at most
DISCOUNT = 1 / np.log2(np.arange(K) + 2)  # worth of a hit at each position
TOP = 100  # the unit of a part: the mean of its TOP best items (at most a tenth) minus the mean of all items


@dataclass(frozen=True)
class Pool:
    """The candidates of all parts for the users who took one of them; the other users count with an NDCG of 0.

    A user may have several rows, each with a history of its own; each user counts once.
    """

    row: IntArray  # (n,) of each of these users among all users, ascending
    features: FloatArray  # (n_parts, n, n_candidates): `scaled` scores
    valid: BoolArray  # (n, n_candidates); False pads the shorter rows
    relevant: BoolArray  # (n, n_candidates): the user took it
    n_targets: IntArray  # (n_users,) of all users
    weight: NDArray[np.float64]  # (n_users,) of all users, in a mean; 1 / the rows of the user

    @cached_property
    def hits(self) -> tuple[IntArray, IntArray]:
        """Return user and candidate of each relevant one."""
        user, candidate = np.nonzero(self.relevant)
        return user.astype(np.int32), candidate.astype(np.int32)

    def of(self, users: BoolArray) -> Pool:
        """Return the pool of some of all users, (n_users,)."""
        remaining = users[self.row]
        row = (np.cumsum(users, dtype=np.int32) - 1)[self.row[remaining]]
        found = self.features[:, remaining], self.valid[remaining], self.relevant[remaining]
        return Pool(row, *found, self.n_targets[users], self.weight[users])


def scaled(scores: FloatArray) -> FloatArray:
    """Return (n_users, n_items + 1) scores standardised per user: 0 for the mean item, 1 for the mean of the best.

    A part with equal scores for all items of a user gives 0.
    """
    item_scores = scores[:, 1:]
    n = max(1, min(TOP, item_scores.shape[1] // 10))
    middle = item_scores.mean(axis=1, keepdims=True)  # (n_users, 1)
    lead = np.partition(item_scores, item_scores.shape[1] - n, axis=1)[:, -n:].mean(axis=1, keepdims=True) - middle
    flat = lead <= 1e-6 * np.abs(middle)
    out: FloatArray = scores - middle
    out *= np.where(flat, 0, 1 / np.where(flat, 1, lead))
    return out


def collect_pool(parts: Sequence[Recommender], users: Users, n: int, exclude_seen: bool, batch_users: int) -> Pool:
    """Return the best n items of each part for each user, with the scores of all parts; users have targets."""
    targets = users.ground_truth
    rows, features, valid, relevant = [], [], [], []
    for start, batch in users.batches(batch_users):
        scores = [scaled(part.score(batch)) for part in parts]  # each (b, n_items + 1)
        items, item_scores = _compact(scores, _candidates(scores, batch, n, exclude_seen))
        found = relevance(items, targets.slice(start, start + len(batch)))
        remaining = np.flatnonzero(found.any(axis=1)).astype(np.int32)
        rows.append(remaining + np.int32(start))
        features.append(item_scores[:, remaining])
        valid.append(items[remaining] > 0)
        relevant.append(found[remaining])
    width = max(found.shape[1] for found in valid)
    return Pool(
        np.concatenate(rows),
        np.concatenate([_pad(found, width) for found in features], axis=1),
        np.concatenate([_pad(found, width) for found in valid]),
        np.concatenate([_pad(found, width) for found in relevant]),
        count_targets(targets),
        1 / np.bincount(users.user_row)[users.user_row],
    )


def ndcg(pool: Pool, weights: FloatArray) -> float:
    """Return the mean NDCG of the lists that the weights (n_parts,) make; equal scores rank in order of item_idx."""
    return _ndcg_of(pool, _weighted_sum(pool, weights))


def _weighted_sum(pool: Pool, weights: FloatArray) -> FloatArray:
    """Return (n, n_candidates); a product of matrices would start threads for little work."""
    scores: FloatArray = np.zeros(pool.valid.shape, np.float32)
    for part in np.flatnonzero(weights):
        scores += weights[part] * pool.features[part]
    return scores


def _ndcg_of(pool: Pool, scores: FloatArray) -> float:
    """Return the mean NDCG of the lists by these scores, (n, n_candidates)."""
    user, candidate = pool.hits
    competing = np.where(pool.valid, scores, -np.inf)[user]  # (n_hits, n_candidates)
    own = competing[np.arange(len(user)), candidate, None]
    earlier = np.arange(competing.shape[1]) < candidate[:, None]
    rank = ((competing > own) | ((competing == own) & earlier)).sum(axis=1)
    counts = pool.relevant[user, candidate] & pool.valid[user, candidate] & (rank < K)
    gain = np.bincount(user[counts], weights=DISCOUNT[rank[counts]], minlength=len(pool.row))
    ideal = np.cumsum(DISCOUNT)[np.minimum(pool.n_targets[pool.row], K) - 1]
    return float((gain / ideal * pool.weight[pool.row]).sum() / pool.weight.sum())


def learn_weights(pool: Pool, min_gain: float, start: FloatArray | None = None) -> FloatArray:
    """Return (n_parts,) weights that add up to 1; the start is the best part alone, or `start`.

    A part gets weight only where it raises the mean NDCG by the factor 1 + min_gain. With `start`, only its parts do.
    """
    allowed = np.arange(len(pool.features)) if start is None else np.flatnonzero(start)
    weights = _best_alone(pool) if start is None else start / start.max()
    best = ndcg(pool, weights)
    for _ in range(ROUNDS):
        before = best
        for part in allowed:
            weights, best = _step(pool, weights, int(part), best, min_gain)
        if best <= before:
            break
    weights = _drop_useless(pool, weights, best, min_gain)
    out: FloatArray = (weights / weights.sum()).astype(np.float32)
    return out


def _step(pool: Pool, weights: FloatArray, part: int, best: float, min_gain: float) -> tuple[FloatArray, float]:
    """Return the weights with the best weight for one part; one without weight so far must gain min_gain."""
    chosen, found = weights, best if weights[part] else best * (1 + min_gain)
    others = _without(weights, part)
    scores = _weighted_sum(pool, others)
    for value in GRID:
        if value or others.any():
            mean = _ndcg_of(pool, scores + np.float32(value) * pool.features[part])
            if mean > found:
                chosen, found = others.copy(), mean
                chosen[part] = value
    return chosen, found if chosen is not weights else best


def _drop_useless(pool: Pool, weights: FloatArray, best: float, min_gain: float) -> FloatArray:
    """Return the weights without the parts whose removal, one after the other, costs less than min_gain."""
    while np.count_nonzero(weights) > 1:
        left = {part: ndcg(pool, _without(weights, part)) for part in map(int, np.flatnonzero(weights))}
        part = max(left, key=lambda p: left[p])
        if left[part] * (1 + min_gain) < best:
            break
        weights, best = _without(weights, part), left[part]
    return weights


def _without(weights: FloatArray, part: int) -> FloatArray:
    out = weights.copy()
    out[part] = 0
    return out


def _best_alone(pool: Pool) -> FloatArray:
    alone: FloatArray = np.eye(len(pool.features), dtype=np.float32)
    best: FloatArray = alone[int(np.argmax([ndcg(pool, row) for row in alone]))]
    return best


def _candidates(scores: list[FloatArray], users: Users, n: int, exclude_seen: bool) -> BoolArray:
    """Return (b, n_items + 1), True for the best n of any part."""
    chosen: BoolArray = np.zeros(scores[0].shape, bool)
    masked: BoolArray = np.zeros(scores[0].shape, bool)
    masked[:, 0] = True
    if exclude_seen:
        masked[users.history.rows, users.history.item_idx] = True
    width = min(n, chosen.shape[1])
    for own in scores:
        best = np.argpartition(np.where(masked, np.inf, -own), width - 1, axis=1)[:, :width]
        np.put_along_axis(chosen, best, True, axis=1)
    valid: BoolArray = chosen & ~masked
    return valid


def _compact(scores: list[FloatArray], chosen: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the chosen items, (b, width) padded with zeros, and their scores (n_parts, b, width)."""
    row, item = np.nonzero(chosen)
    counts = chosen.sum(axis=1)
    position = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = max(1, int(counts.max(initial=0)))
    items, features = np.zeros((len(chosen), width), np.int32), np.zeros((len(scores), len(chosen), width), np.float32)
    items[row, position] = item
    for part, own in enumerate(scores):
        features[part, row, position] = own[row, item]
    return items, features


def _pad(rows: Any, width: int) -> Any:
    """Return the rows (..., at most width) padded with zeros to that width."""
    gap = [*[(0, 0)] * (rows.ndim - 1), (0, width - rows.shape[-1])]
    return np.pad(rows, gap)
