"""How much of the best possible ranking of the simulated shop the models of a run reach.

    carousel retrain --bootstrap && python tests/benchmarks/bench_shop.py [--folder DIR]

Two reference rankings on the same test users use the shop's truth, which no real shop has: one uses all of it, the true
tastes too; the other uses the true item parameters and user languages, and estimates each user's taste in kinds of
products from the pages that the user was shown. The second is about the best that history allows; the first is not
reachable. DIR is the checkout of a run on the simulated shop, the current one by default.
"""

import argparse
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from components.contracts import FloatArray, IntArray
from components.data import shop_world
from components.data.partitions import partitions
from components.data.shop import read_truth
from components.data.tables import read_info
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.params import load
from components.recommenders.factory import MODELS, load_model, model_folder
from components.recommenders.top_k import top_k
from components.times import DAY_US, to_micros

HALF_LIFE_DAYS, PRIOR = 20.0, 5.0  # of an impression's weight; pseudo-impressions at the mean shares


def indices(split: Path, name: str, column: str) -> IntArray:
    """Return the truth's index of each row of a split table: P00001 is 0."""
    return np.array(
        [int(i[1:]) - 1 for i in pq.read_table(split / name, columns=[column])[column].to_pylist()], np.int32
    )


def shown(snapshot: Path, split: Path, world: shop_world.World, now: int) -> FloatArray:
    """Return (n_users, kinds): the share of each kind in the pages shown to each user before `now`."""
    counts = np.zeros((len(world.user_language), shop_world.N_LEAVES))
    for path in partitions(snapshot, "events"):
        table = pq.read_table(path, columns=["user_id", "item_id", "timestamp", "event"])
        rows = [r for r in table.to_pylist() if r["event"] == "impression" and r["user_id"]]
        for row in rows:
            age = (now - to_micros(row["timestamp"].replace(tzinfo=UTC))) / DAY_US
            if age > 0:
                kind = world.leaf[int(row["item_id"][1:]) - 1]
                counts[int(row["user_id"][1:]) - 1, kind] += 0.5 ** (age / HALF_LIFE_DAYS)
    crowd = counts.sum(axis=0) / max(counts.sum(), 1e-9)
    share: FloatArray = ((counts + PRIOR * crowd) / (counts.sum(axis=1, keepdims=True) + PRIOR)).astype(np.float32)
    return share


def inferred(world: shop_world.World, kinds: FloatArray, user: int) -> FloatArray:
    """Return the expected demand for each item of a user of whom only the shares of kinds are known."""
    same = world.item_language == world.user_language[user]
    seen = kinds[user][world.leaf] * world.appeal * np.where(same, 0.95, 0.05)
    liking = -0.5 * world.price_level**2 + np.log1p(40 * kinds[user][world.leaf]) - 2.6
    wanted: FloatArray = (seen / (1 + np.exp(-liking))).astype(np.float32)
    return wanted


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path())
    folder = parser.parse_args().folder
    params, split = load(folder / "run/params.yaml"), folder / "data/split"
    if not params.data.simulated:
        sys.exit("the run is of a real shop: its truth is unknown")
    world, info = read_truth(folder / "data/raw"), read_info(split)
    item, user = indices(split, "items.parquet", "item_id"), indices(split, "users.parquet", "user_id")
    users = window_users(split, "test", params.recommend.exclude_seen)
    day = params.shop.days - params.split.test_days / 2
    kinds = shown(folder / "data/snapshot", split, world, users.now)
    true_users = user[users.user_idx - 1]
    chinese = world.user_language[true_users] == 1

    def print_row(name: str, lists: Any) -> float:
        values = per_user(lists, users.ground_truth, [10])["ndcg_at_10"]
        margin = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        halves = f"{values[~chinese].mean():.4f} | {values[chinese].mean():.4f}"
        print(f"| {name} | {values.mean():.4f} ± {margin:.4f} | {halves} |", flush=True)
        return float(values.mean())

    def best(score: Any) -> Any:
        rows = np.zeros((len(users), info.n_items + 1), np.float32)
        rows[:, 1:] = np.stack([score(int(u))[item] for u in true_users])
        if params.recommend.exclude_seen:
            rows[users.history.rows, users.history.item_idx] = -np.inf
        rows[:, 0] = -np.inf
        return top_k(rows, 10).items

    print(f"{len(users)} users of the test window\n")
    print("| ranking | NDCG@10 | English half | Chinese half |\n|---|---|---|---|")
    print_row("the truth", best(lambda u: world.expected_demand(u, day)))
    reachable = print_row("the world known, tastes learned from history", best(lambda u: inferred(world, kinds, u)))
    for name in MODELS:
        model = load_model(model_folder(folder / "models", name))
        lists = rank(model, users, 10, params.recommend.exclude_seen, info.n_items, params.recommend.batch_users)
        mine = print_row(name, lists)
    print(f"\nhybrid: {mine / reachable:.0%} of the second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
