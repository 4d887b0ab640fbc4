"""The best k of each row of a score matrix."""

import numpy as np

from components.contracts import FloatArray, Ranked

BLOCK = 16  # scores that are first reduced to their maximum; fewer leave more maxima, more leave more scores to compare


def top_k(scores: FloatArray, k: int) -> Ranked:
    """Return the best min(k, width) columns per row, best first; equal scores in column order, -inf as column 0."""
    k = min(k, scores.shape[1])
    if not k:
        return Ranked(np.zeros((len(scores), 0), np.int32), np.zeros((len(scores), 0), np.float32))
    bound = _bound(scores, k)  # (n_rows, 1), not above the k-th best
    chosen = scores >= bound
    crowded = np.flatnonzero(chosen.sum(axis=1) > 4 * k)
    if len(crowded):  # of many scores equal to the bound, only the first k are needed
        subset, limit = scores[crowded], bound[crowded]
        tied = subset == limit
        chosen[crowded] = (subset > limit) | (tied & (np.cumsum(tied, axis=1) <= k))
    row, column = np.divmod(np.flatnonzero(chosen), scores.shape[1])  # np.nonzero takes ten times as long
    counts = np.bincount(row, minlength=len(scores))
    position = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its row
    items = np.zeros((len(scores), int(counts.max(initial=k))), np.int32)
    values = np.full(items.shape, -np.inf, np.float32)
    items[row, position], values[row, position] = column, scores[row, column]
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    items, values = np.take_along_axis(items, order, axis=1), np.take_along_axis(values, order, axis=1)
    items[np.isneginf(values)] = 0
    return Ranked(items, values)


def padded_top_k(scores: FloatArray, k: int) -> Ranked:
    """Return the best k columns per row as `top_k`, with column 0 and score -inf where a row has fewer than k."""
    best = top_k(scores, k)
    gap = ((0, 0), (0, k - best.items.shape[1]))
    return Ranked(np.pad(best.items, gap), np.pad(best.scores, gap, constant_values=-np.inf))


def _bound(scores: FloatArray, k: int) -> FloatArray:
    """Return (n_rows, 1) a lower bound of the k-th best score of each row: the k-th best of the maxima of blocks.

    A partition of the maxima is several times faster than one of all scores. The scores of a block are n_blocks columns
    apart, so that the maxima are taken of whole rows of memory.
    """
    n_rows, width = scores.shape
    block = min(BLOCK, width // (4 * k))
    if block > 1:
        covered = width - width % block
        scores = scores[:, :covered].reshape(n_rows, block, -1).max(axis=1)
    at = scores.shape[1] - k
    bound: FloatArray = np.partition(scores, at, axis=1)[:, at, None]
    return bound
