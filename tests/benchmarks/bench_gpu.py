"""Fine-tuning on a GPU against the CPU of the same machine: seconds of an epoch (with its validation), quality, memory.

    python tests/benchmarks/bench_gpu.py [--users 8000] [--large 1000000] [--epochs 2]

A synthetic shop: products in 400 groups, each user buys from three of them, popularity falls by rank. 12,000 products
are trained with the full softmax on the CPU (float32) and the GPU (bf16-mixed), with the batch size of params.yaml and
sixteen times that; --large products with the sampled softmax on the GPU. NDCG@10 of held-out last events is compared
with that of popularity. Exits 1 where the GPU reaches less than 95 % of the CPU's NDCG@10, is slower, or where the
large catalogue does not beat popularity. Without a GPU it prints a message and exits 2.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from components.contracts import Catalogue, Interactions, Users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.params import Params, load
from components.ragged import Ragged
from components.recommenders.popularity import PopularityRecommender
from components.recommenders.sequence.recommender import SequenceRecommender
from components.times import DAY_US

ROOT = Path(__file__).resolve().parents[2]
GROUPS, DIM, EVENTS, ASKED = 400, 64, 20, 2000


def shop(n_items: int, n_users: int) -> tuple[Interactions, Catalogue, Users]:
    """Return a synthetic shop: training events, products, and users with their held-out event as target."""
    rng = np.random.default_rng(0)
    group = rng.permutation(n_items + 1) % GROUPS
    members = [np.flatnonzero(group[1:] == g) + 1 for g in range(GROUPS)]
    tastes = rng.integers(0, GROUPS, (n_users, 3))
    chosen = tastes[np.arange(n_users)[:, None], rng.choice(3, (n_users, EVENTS + 1), p=[0.6, 0.3, 0.1])]
    items = np.zeros(chosen.shape, np.int32)
    for g, mine in enumerate(members):
        positions = chosen == g
        items[positions] = mine[(len(mine) * rng.random(positions.sum()) ** 2).astype(int)]
    times = np.sort(rng.integers(0, 90 * DAY_US, items.shape), axis=1)
    past = slice(0, EVENTS)
    n = n_users * EVENTS
    interactions = Interactions(
        user_idx=np.repeat(np.arange(1, n_users + 1, dtype=np.int32), EVENTS),
        item_idx=items[:, past].ravel(),
        timestamp=times[:, past].ravel(),
        event=np.zeros(n, np.int8),
        weight=np.ones(n, np.float32),
        n_users=n_users,
        n_items=n_items,
        now=90 * DAY_US,
    )
    centres = rng.standard_normal((GROUPS, DIM))
    vectors = centres[group] + rng.standard_normal((n_items + 1, DIM))
    vectors[0] = 0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    names = ["", *(str(i) for i in range(1, n_items + 1))]
    blank, some = [""] * (n_items + 1), ["", *(f"group {g}" for g in group[1:])]
    prices = rng.lognormal(3, 1, n_items + 1).astype(np.float32)
    catalogue = Catalogue(names, blank, blank, blank, some, blank, prices, vectors.astype(np.float32))
    test_users = np.arange(min(n_users, ASKED))
    return interactions, catalogue, Users(
        (test_users + 1).astype(np.int32), rows(items[test_users, past], times[test_users, past]), 90 * DAY_US,
        rows(items[test_users, EVENTS:], times[test_users, EVENTS:]),
    )  # fmt: skip


def rows(items: np.ndarray, times: np.ndarray) -> Ragged:
    """Return rows of equal length as Ragged."""
    n, width = items.shape
    offsets = np.arange(n + 1, dtype=np.int64) * width
    return Ragged(offsets, items.ravel(), times.ravel(), np.zeros(n * width, np.int8), np.ones(n * width, np.float32))


def train(
    params: Params, data: tuple[Interactions, Catalogue, Users], accelerator: str, batch: int, epochs: int
) -> tuple[float, float, float]:
    """Return median seconds per epoch (without the first), the best NDCG@10, and the peak GPU memory in GiB."""
    knobs = {"accelerator": accelerator, "batch_size": batch, "max_epochs": epochs + 1, "patience": epochs + 1}
    trainer = params.trainer.model_copy(update=knobs)
    model = SequenceRecommender(params.models.sequence, trainer, params.seed, exclude_seen=False)
    ends: list[float] = []
    values: list[float] = []

    def after(value: float) -> None:
        ends.append(time.perf_counter())
        values.append(value)

    model.after_epoch = after
    if accelerator == "gpu":
        torch.cuda.reset_peak_memory_stats()
    model.fit(*data)
    memory = torch.cuda.max_memory_allocated() / 2**30 if accelerator == "gpu" else 0.0
    return float(np.median(np.diff(ends))), max(values), memory


def main() -> int:
    """Print the table; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=8_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=2, help="that are counted")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: nothing to compare")
        return 2
    params = load(ROOT / "params.yaml")
    usual = params.trainer.batch_size
    cores = len(os.sched_getaffinity(0))
    print(f"{torch.cuda.get_device_name()}, {cores} CPU cores, torch {torch.__version__}")
    print(
        "| products | events | on | batch | s an epoch, validation in it | events/s | NDCG@10 | popularity | GPU, GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    found: dict[tuple[int, str, int], tuple[float, float]] = {}
    chance: dict[int, float] = {}
    for n_items, runs in (
        (12_000, (("cpu", usual), ("gpu", usual), ("gpu", 16 * usual))),
        (args.large, (("gpu", 16 * usual),)),
    ):
        data = shop(n_items, args.users if n_items == 12_000 else 5 * args.users)
        popular = PopularityRecommender(params.models.popularity).fit(*data)
        assert data[2].targets is not None
        lists = rank(popular, data[2], 10, False, n_items, 64)
        chance[n_items] = float(np.nanmean(per_user(lists, data[2].targets, [10])["ndcg_at_10"]))
        for accelerator, batch in runs:
            seconds, value, memory = train(params, data, accelerator, batch, args.epochs)
            found[n_items, accelerator, batch] = seconds, value
            cells = f"{seconds:.1f} | {len(data[0]) / seconds:.0f} | {value:.4f} | {chance[n_items]:.4f} | {memory:.1f}"
            print(f"| {n_items} | {len(data[0])} | {accelerator} | {batch} | {cells} |", flush=True)
    slow, fast = found[12_000, "cpu", usual], found[12_000, "gpu", usual]
    print(f"GPU over CPU, the same batch: {slow[0] / fast[0]:.1f} times as fast, {fast[1] / slow[1]:.3f} of its NDCG")
    best = found[args.large, "gpu", 16 * usual][1]
    good = fast[0] < slow[0] and fast[1] >= 0.95 * slow[1] and best > 2 * chance[args.large]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
