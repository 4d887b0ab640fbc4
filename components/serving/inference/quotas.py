"""Mixed lists: at least and at most so many items of a kind, in the order of a ranking."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.contracts import IntArray

Bounds = Mapping[int, tuple[int, int | None]]  # code of a kind -> at least, at most (None: any number)


def keep_quotas(kinds: IntArray, k: int, bounds: Bounds) -> IntArray:
    """Return the positions of the best k items of a ranking that keep the bounds, in its order.

    kinds: (n,) code of the kind of each item, best first. An item is taken unless its kind has its most, or the places
    left are needed for kinds that lack their least. Where a kind has too few items, others take its places, within
    their bounds: fewer than k positions are returned only where nothing else is allowed.
    """
    taken = np.zeros(len(kinds), np.bool_)
    counts = dict.fromkeys(bounds, 0)
    available = {kind: int(np.count_nonzero(kinds == kind)) for kind in bounds}

    def missing() -> int:
        return sum(max(0, min(least, available[kind]) - counts[kind]) for kind, (least, _) in bounds.items())

    n_taken = 0
    for position, kind in enumerate(kinds.tolist()):
        if n_taken == k:
            break
        least, most = bounds.get(kind, (0, None))
        if most is not None and counts[kind] >= most:
            continue
        is_needed = kind in bounds and counts[kind] < least
        if not is_needed and k - n_taken <= missing():
            continue
        taken[position] = True
        n_taken += 1
        if kind in bounds:
            counts[kind] += 1
    found: IntArray = np.flatnonzero(taken).astype(np.int32)
    return found


def lacks_items(kinds: IntArray, k: int, bounds: Bounds) -> bool:
    """Return whether a list of these kinds is shorter than k, or holds fewer of a kind than its bounds ask for."""
    return len(kinds) < k or any(np.count_nonzero(kinds == kind) < least for kind, (least, _) in bounds.items())
