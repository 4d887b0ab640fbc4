"""Rank a whole catalogue for many users, against `implicit` with the same vectors, and print the median ratio.

    python tests/benchmarks/bench_full_ranking.py [--users 20000] [--items 12000] [--dim 128] [--rounds 5]

Both rank all items except those in each user's history (20 events), with one thread per core; they alternate. The peak
memory is compared with the size of all users' scores. Exits 1 when ours takes more than twice as long, or uses at least
a tenth of that size.
"""

import argparse
import os
import statistics
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from components.contracts import EVENTS, Catalogue, FloatArray, IntArray, Interactions, Users
from components.ragged import Ragged
from components.recommenders.base import BaseRecommender
from components.recommenders.histories import pick

K, EVENTS_PER_USER = 10, 20


class Given(BaseRecommender):
    """A model with fixed vectors, so that only the ranking is measured."""

    name: ClassVar[str] = "given"

    def __init__(self, users: FloatArray, items: FloatArray) -> None:
        self.users, self.items = users, items

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return user times item vectors."""
        return pick(self.users[users.user_idx] @ self.items.T, items)

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Nothing is left to learn."""
        return self

    def save(self, folder: Path) -> None:
        """Nothing is kept."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Nothing was kept."""
        raise NotImplementedError


def draw_users(n_users: int, n_items: int, rng: np.random.Generator) -> Users:
    """Return users with histories of 20 distinct items drawn evenly."""
    items = np.stack([rng.choice(n_items, EVENTS_PER_USER, replace=False) + 1 for _ in range(n_users)])
    n = items.size
    offsets = np.arange(0, n + 1, EVENTS_PER_USER, dtype=np.int64)
    columns = (np.zeros(n, np.int64), np.full(n, EVENTS.index("purchase"), np.int8), np.ones(n, np.float32))
    history = Ragged(offsets, items.ravel().astype(np.int32), *columns)
    return Users(np.arange(n_users, dtype=np.int32), history, now=1)


def peer(users: FloatArray, items: FloatArray) -> Any:
    """Return implicit's model of the same vectors."""
    from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase

    class Model(MatrixFactorizationBase):
        def fit(self, *_: Any, **__: Any) -> None:
            """Nothing is left to learn."""

        def save(self, *_: Any) -> None:
            """Nothing is kept."""

    model = Model(num_threads=os.cpu_count())
    model.user_factors, model.item_factors = users, items
    return model


def seconds(call: Any) -> float:
    """Return the duration of the call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> int:
    """Print the rounds; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 20_000), ("items", 12_000), ("dim", 128), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    size = parser.parse_args()
    rng = np.random.default_rng(42)
    users = rng.normal(size=(size.users, size.dim)).astype(np.float32)
    items = rng.normal(size=(size.items + 1, size.dim)).astype(np.float32)
    sample = draw_users(size.users, size.items, rng)
    ours, theirs = Given(users, items), peer(users, items)
    had = csr_matrix(
        (np.ones(len(sample.history.item_idx), np.float32), sample.history.item_idx, sample.history.offsets)
    )
    had.resize(size.users, size.items + 1)
    lists = ours.recommend(sample, K).items
    found = theirs.recommend(np.arange(size.users), had, N=K, filter_already_liked_items=True, filter_items=[0])[0]
    same = float(np.mean([np.isin(a, b).mean() for a, b in zip(lists, found, strict=True)]))
    print(f"{size.users} users x {size.items} items, {size.dim} wide; {same:.4f} of the lists are the same items")
    ratios = []
    for turn in range(size.rounds):
        one = seconds(lambda: ours.recommend(sample, K))
        with threadpool_limits(1, "blas"):  # as implicit recommends: it has its own threads
            other = seconds(lambda: theirs.recommend(np.arange(size.users), had, N=K, filter_items=[0]))
        ratios.append(one / other)
        print(f"round {turn + 1}: ours {one:.2f} s, implicit {other:.2f} s, ratio {ratios[-1]:.2f}", flush=True)
    tracemalloc.start()
    ours.recommend(sample, K)
    peak, whole = tracemalloc.get_traced_memory()[1], 4 * size.users * size.items
    ratio, share = statistics.median(ratios), peak / whole
    print(f"median ratio {ratio:.2f}; peak {peak / 2**20:.0f} MiB, {share:.1%} of all scores ({whole / 2**20:.0f} MiB)")
    return int(ratio > 2 or share > 0.1)


if __name__ == "__main__":
    sys.exit(main())
