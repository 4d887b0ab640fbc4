"""Team-draft interleaving: two lists merged into one, each click a vote; needs far fewer users than an A/B test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from components.experiments.confidence_sequence import IntervalEstimate, Numbers, boundary


@dataclass(frozen=True)
class Interleaved:
    """A merged list, and for each position which of the two lists contributed it."""

    items: list[str]
    team: list[int]  # 0 or 1


def team_draft(one: Sequence[str], other: Sequence[str], k: int, seed: str) -> Interleaved:
    """Return k products, taken from the two lists in turns with a random order in each turn.

    seed: such as the request id; the same seed gives the same list.
    Source: Radlinski, Kurup and Joachims (2008).
    """
    lists, positions = (list(dict.fromkeys(one)), list(dict.fromkeys(other))), [0, 0]
    sizes, items, team = [0, 0], list[str](), list[int]()
    used: set[str] = set()
    while len(items) < k:
        for side in (0, 1):
            while positions[side] < len(lists[side]) and lists[side][positions[side]] in used:
                positions[side] += 1
        available = [side for side in (0, 1) if positions[side] < len(lists[side])]
        if not available:
            break
        fewest = [side for side in available if sizes[side] == min(sizes[s] for s in available)]
        coin = sha256(f"{seed}\0{len(items)}".encode("utf-8", "surrogatepass")).digest()[0] % 2
        side = fewest[0] if len(fewest) == 1 else coin
        item = lists[side][positions[side]]
        items.append(item)
        team.append(side)
        used.add(item)
        sizes[side] += 1
    return Interleaved(items, team)


def estimate_preference(votes: Numbers, alpha: float, target_users: int) -> IntervalEstimate:
    """Return the preference for the second list over the first, in [-1, 1], with an always-valid interval.

    votes: (n_users,) each (clicks on products of the second list - clicks on the first's) / all clicks of the user.
    """
    n = len(votes)
    if n < 2 or votes.var() == 0:
        return IntervalEstimate(float(votes.mean()) if n else float("nan"), -np.inf, np.inf)
    half = float(votes.std(ddof=1) / np.sqrt(n) * boundary(n, alpha, target_users))
    return IntervalEstimate(float(votes.mean()), float(votes.mean()) - half, float(votes.mean()) + half)
