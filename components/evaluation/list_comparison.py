"""Compares the lists of two models without targets: agreement, concentration, spread of scores.

A model that was fitted on damaged data can rank a damaged window well; its lists still differ from those that serve.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray, IntArray, Ranked
from components.errors import ContractError

TOP_SHARE = 0.01  # of the catalogue: the items whose share of the positions is the concentration


def overlap_at_k(lists: IntArray, other: IntArray, k: int) -> FloatArray:
    """Return the share of items that the first k of two lists have in common, per user, in [0, 1].

    Both (n_users, at least k), best first; 0 fills a list that ran out. The longer of the two lists is the whole; NaN
    where both are empty. Source: overlap at depth k, as in Webber, Moffat & Zobel 2010, section 3.
    """
    one, two = _first(lists, k), _first(other, k)
    if len(one) != len(two):
        raise ContractError(f"lists of {len(one)} and of {len(two)} users; overlap needs the same users")
    width = int(max(one.max(initial=0), two.max(initial=0))) + 1
    rows = np.arange(len(one), dtype=np.int64)[:, None] * width
    shared = np.isin(one + rows, two + rows) & (one > 0)
    length = np.maximum((one > 0).sum(axis=1), (two > 0).sum(axis=1))
    share = np.full(len(one), np.nan)
    np.divide(shared.sum(axis=1), length, out=share, where=length > 0)
    return share.astype(np.float32)


def mean_overlap_at_k(lists: IntArray, other: IntArray, k: int) -> float:
    """Return the mean overlap over the users that have a list; 0 where nobody has one."""
    share = overlap_at_k(lists, other, k)
    known = share[np.isfinite(share)]
    return float(known.mean(dtype=np.float64)) if len(known) else 0.0


def list_shape(ranked: Ranked, n_items: int, ks: Sequence[int]) -> dict[str, float]:
    """Return what the lists look like, whatever the targets: concentration_at_k and score_spread_at_k for each k."""
    shape = {f"concentration_at_{k}": concentration_at_k(ranked.items, n_items, k) for k in ks}
    return shape | {f"score_spread_at_{k}": score_spread(ranked.scores[:, :k]) for k in ks}


def concentration_at_k(lists: IntArray, n_items: int, k: int) -> float:
    """Return the share of all positions that the most listed 1 % of the catalogue (1 item at least) holds, in [0, 1].

    One list for everybody gives 1 where 1 % of the catalogue is k items or more; equal exposure gives 0.01.
    Source: concentration as in Fleder & Hosanagar 2009, measured by this share in place of the Gini coefficient.
    """
    items = _first(lists, k)
    counts = np.bincount(items[items > 0], minlength=n_items + 1)[1:]
    total = int(counts.sum())
    if not total:
        raise ContractError("no list holds any item: the concentration of nothing is not defined; check the model")
    n_top = max(1, int(TOP_SHARE * n_items))
    return float(np.sort(counts)[::-1][:n_top].sum() / total)


def score_spread(scores: FloatArray) -> float:
    """Return the median over users of the first score of the list minus its last; 0 where all scores are equal.

    scores: (n_users, k), descending; -inf fills a list that ran out. Users with fewer than two items are left out.
    A constant that is added to all scores changes nothing; a factor changes it by the factor.
    """
    filled = np.isfinite(scores)
    n_filled = filled.sum(axis=1)
    rows = np.flatnonzero(n_filled >= 2)
    if not len(rows):
        return 0.0
    values: NDArray[np.float64] = scores[rows].astype(np.float64)
    return float(np.median(values[:, 0] - values[np.arange(len(rows)), n_filled[rows] - 1]))


def _first(lists: IntArray, k: int) -> IntArray:
    if lists.ndim != 2 or not 1 <= k <= lists.shape[1]:
        raise ContractError(f"k is {k}, lists are of shape {lists.shape}; expected 1 <= k <= columns")
    return lists[:, :k]
