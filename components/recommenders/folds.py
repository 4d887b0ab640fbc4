"""Folds of users: a blend is learned on all folds but one and judged on that one; what ships is the average."""

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray

FOLDS = 5


def assign_folds(n_users: int) -> IntArray:
    """Return (n_users,) the fold of each user, in turn: at most FOLDS, and none is empty."""
    return (np.arange(n_users) % FOLDS).astype(np.int32)


def learning_users(folds: IntArray) -> list[BoolArray]:
    """Return for each fold the (n_users,) mask of the users, or rows, outside it; of a single fold, its own users."""
    n_folds = int(folds.max()) + 1
    return [folds != fold if n_folds > 1 else folds == fold for fold in range(n_folds)]


def average_weights(weights: FloatArray) -> FloatArray:
    """Return the mean (n_slices, n_parts) of weights (n_folds, n_slices, n_parts); each row adds up to 1.

    A part that at most half of the folds use in a slice gets none there. Where no part is left, the part with the
    largest mean weight gets all.
    """
    means = weights.mean(axis=0)
    used = (weights > 0).mean(axis=0) > 0.5
    used |= ~used.any(axis=1, keepdims=True) & (means == means.max(axis=1, keepdims=True))
    means = np.where(used, means, 0)
    out: FloatArray = (means / means.sum(axis=1, keepdims=True)).astype(np.float32)
    return out
