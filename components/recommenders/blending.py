"""Weights of a blend, learned on validation users by coordinate ascent on NDCG itself; what does not help gets none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Recommender, Users
from components.evaluation.metrics import count_targets, ndcg_at_k, relevance

K = 10  # of the NDCG that is raised
GRID = (0.0, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.5)  # weights that are tried for a part
ROUNDS = 10  # over all parts, at most
TOP = 100  # a part's unit is how far its best so many items (a tenth at most) are above its mean item


@dataclass(frozen=True)
class Pool:
    """What the parts put up for each user, and what of it the user then took."""

    features: FloatArray  # (n_users, n_candidates, n_parts): `scaled` scores
    open: BoolArray  # (n_users, n_candidates); False fills up the shorter rows
    relevant: BoolArray  # (n_users, n_candidates)
    n_targets: IntArray  # (n_users,)

    def of(self, rows: BoolArray) -> Pool:
        """Return the pool of some users."""
        return Pool(self.features[rows], self.open[rows], self.relevant[rows], self.n_targets[rows])


def scaled(scores: FloatArray) -> FloatArray:
    """Return (n_users, n_items + 1) scores on one scale for all parts and users: 0 the mean item, 1 one of the best.

    A part that says nothing about a user (all items alike) gives 0.
    """
    own = scores[:, 1:]
    n = max(1, min(TOP, own.shape[1] // 10))
    middle = own.mean(axis=1, keepdims=True)  # (n_users, 1)
    lead = np.partition(own, own.shape[1] - n, axis=1)[:, -n:].mean(axis=1, keepdims=True) - middle
    flat = lead <= 1e-6 * np.abs(middle)
    out: FloatArray = scores - middle
    out *= np.where(flat, 0, 1 / np.where(flat, 1, lead))
    return out


def gather(parts: Sequence[Recommender], users: Users, n: int, exclude_seen: bool, batch_users: int) -> Pool:
    """Return the best n items of each part for each user, under the scores of all parts; users have targets."""
    items, features = [], []
    for _, batch in users.batches(batch_users):
        scores = [scaled(part.score(batch)) for part in parts]  # each (b, n_items + 1)
        at, found = _packed(scores, _candidates(scores, batch, n, exclude_seen))
        items.append(at)
        features.append(found)
    width = max(at.shape[1] for at in items)
    candidates = np.concatenate([_widen(at, width) for at in items])
    targets = users.ground_truth
    return Pool(
        np.concatenate([_widen(f, width) for f in features]),
        candidates > 0,
        relevance(candidates, targets),
        count_targets(targets),
    )


def ndcg(pool: Pool, weights: FloatArray) -> float:
    """Return the mean NDCG of the lists that the weights (n_parts,) make."""
    scores: FloatArray = pool.features @ weights  # (n_users, n_candidates)
    scores[~pool.open] = -np.inf
    k = min(K, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    hits = np.take_along_axis(pool.relevant, np.take_along_axis(best, order, 1), 1)
    return float(ndcg_at_k(hits, pool.n_targets, k).mean())


def learn(pool: Pool, min_gain: float, start: FloatArray | None = None) -> FloatArray:
    """Return (n_parts,) weights that add up to 1; they begin as the best part alone, or as `start` with its parts only.

    A part joins, and stays, where it raises the mean NDCG by the share `min_gain`.
    """
    allowed = np.arange(pool.features.shape[2]) if start is None else np.flatnonzero(start)
    weights = _best_alone(pool) if start is None else start / start.max()
    best = ndcg(pool, weights)
    for _ in range(ROUNDS):
        before = best
        for part in allowed:
            weights, best = _step(pool, weights, int(part), best, min_gain)
        if best <= before:
            break
    weights = _without_useless(pool, weights, best, min_gain)
    out: FloatArray = (weights / weights.sum()).astype(np.float32)
    return out


def _step(pool: Pool, weights: FloatArray, part: int, best: float, min_gain: float) -> tuple[FloatArray, float]:
    """Return the weights with the best weight for one part; one that has none yet must bring min_gain."""
    chosen, found = weights, best if weights[part] else best * (1 + min_gain)
    for value in GRID:
        tried = weights.copy()
        tried[part] = value
        if tried.any():
            mean = ndcg(pool, tried)
            if mean > found:
                chosen, found = tried, mean
    return chosen, found if chosen is not weights else best


def _without_useless(pool: Pool, weights: FloatArray, best: float, min_gain: float) -> FloatArray:
    """Return the weights without those parts whose loss, one after the other, costs less than min_gain."""
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
    alone: FloatArray = np.eye(pool.features.shape[2], dtype=np.float32)
    best: FloatArray = alone[int(np.argmax([ndcg(pool, row) for row in alone]))]
    return best


def _candidates(scores: list[FloatArray], users: Users, n: int, exclude_seen: bool) -> BoolArray:
    """Return (b, n_items + 1), True for what any part has among its best n."""
    chosen: BoolArray = np.zeros(scores[0].shape, bool)
    barred: BoolArray = np.zeros(scores[0].shape, bool)
    barred[:, 0] = True
    if exclude_seen:
        barred[users.history.rows, users.history.item_idx] = True
    width = min(n, chosen.shape[1])
    for own in scores:
        best = np.argpartition(np.where(barred, np.inf, -own), width - 1, axis=1)[:, :width]
        np.put_along_axis(chosen, best, True, axis=1)
    open_: BoolArray = chosen & ~barred
    return open_


def _packed(scores: list[FloatArray], chosen: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the chosen items side by side, (b, width) with zeros at the end, and their scores (b, width, n_parts)."""
    row, item = np.nonzero(chosen)
    counts = chosen.sum(axis=1)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = max(1, int(counts.max(initial=0)))
    items, features = np.zeros((len(chosen), width), np.int32), np.zeros((len(chosen), width, len(scores)), np.float32)
    items[row, place] = item
    for part, own in enumerate(scores):
        features[row, place, part] = own[row, item]
    return items, features


def _widen(rows: Any, width: int) -> Any:
    """Return the rows (b, less than width, ...) with zeros up to that width."""
    gap = [(0, 0), (0, width - rows.shape[1]), *[(0, 0)] * (rows.ndim - 2)]
    return np.pad(rows, gap)
