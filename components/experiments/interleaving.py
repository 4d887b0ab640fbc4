"""Two lists in one: each click is a vote, and far fewer users are needed than for an A/B test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from components.experiments.confidence_sequence import Estimate, Numbers, boundary


@dataclass(frozen=True)
class Interleaved:
    """A list, and for each place which of the two lists put it there."""

    items: list[str]
    team: list[int]  # 0 or 1


def team_draft(one: Sequence[str], other: Sequence[str], k: int, seed: str) -> Interleaved:
    """Return k products, drafted in turns as teams are in a schoolyard (Radlinski, Kurup and Joachims 2008).

    seed: such as the request id; the same one gives the same list.
    """
    lists, places = (list(dict.fromkeys(one)), list(dict.fromkeys(other))), [0, 0]
    sizes, items, team = [0, 0], list[str](), list[int]()
    held: set[str] = set()
    while len(items) < k:
        for side in (0, 1):
            while places[side] < len(lists[side]) and lists[side][places[side]] in held:
                places[side] += 1
        can = [side for side in (0, 1) if places[side] < len(lists[side])]
        if not can:
            break
        fewest = [side for side in can if sizes[side] == min(sizes[s] for s in can)]
        coin = sha256(f"{seed}\0{len(items)}".encode("utf-8", "surrogatepass")).digest()[0] % 2
        side = fewest[0] if len(fewest) == 1 else coin
        item = lists[side][places[side]]
        items.append(item)
        team.append(side)
        held.add(item)
        sizes[side] += 1
    return Interleaved(items, team)


def preference(votes: Numbers, alpha: float, tightest_at: int) -> Estimate:
    """Return by how much the other list is preferred, always valid. votes: (n_users,) in [-1, 1], each user one number.

    A user's vote is (clicks on the other's products less clicks on the one's) / all of that user's clicks.
    """
    n = len(votes)
    if n < 2 or votes.var() == 0:
        return Estimate(float(votes.mean()) if n else float("nan"), -np.inf, np.inf)
    half = float(votes.std(ddof=1) / np.sqrt(n) * boundary(n, alpha, tightest_at))
    return Estimate(float(votes.mean()), float(votes.mean()) - half, float(votes.mean()) + half)
