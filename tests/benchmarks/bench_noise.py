"""NDCG@10 where the shop's data are poor: random events in the training window, and missing fields of products.

    python tests/benchmarks/bench_noise.py [--only random ...] [--set a.b=c ...]

Simulated shop with 2,000 users, 500 products, 90 days. Each row is of the test users that both have: where a random
event is of a product that the user buys in the test window, it is no target, since it has been seen.
Random events are views, carts and purchases, in the shop's proportions, by random users of random products, all before
the test window. Models that are fitted in one step, and their blend without the sequence model; product vectors are
those of words. Prints the loss against the data as they are, with paired 95 % intervals over users.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.params import Params, load
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender
from tests.benchmarks.bench_private import SHOP, word_vectors
from tests.components.data.spoiled_shop import add_random_events, blank

CHECKOUT = Path(__file__).resolve().parents[2]
MODELS = ("popularity", "interests", "tfidf", "content", "neighbours", "transitions", "ease", "als")
RAW = Path("data/raw")
TEXTS = ("title", "description", "brand", "category")


def cases(test_start: str) -> dict[str, Callable[[], object]]:
    """Return what is done to the files of the shop, by name."""
    noise = {
        f"{share:.0%} random events": partial(add_random_events, RAW, share, test_start) for share in (0.05, 0.2, 1.0)
    }
    missing = {
        f"{column} of {share:.0%} missing": partial(blank, RAW, "products", column, share)
        for column in ("title", "category", "price")
        for share in (0.3, 1.0)
    }
    return {
        "as it is": lambda: None,
        **noise,
        **missing,
        "no texts": lambda: [blank(RAW, "products", c, 1) for c in TEXTS],
    }


def measure(params: Params, change: Callable[[], object]) -> pd.DataFrame:
    """Return NDCG@10, a row for each test user, a column for each model, of the changed shop; in an empty folder."""
    split = Path("data/split")
    write_shop(params.shop, params.seed, RAW)
    change()
    for name in ("snapshot", "split"):
        Path(f"data/{name}").mkdir()
    take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
    make_split(Path("data/snapshot"), split, params.split, params.data.as_of, params.data.memory_gib)
    events, catalogue = read_interactions(split), read_catalogue(split)
    has_text = any(catalogue.text)
    vectors = word_vectors(catalogue) if has_text else np.zeros((len(catalogue) + 1, 1), np.float32)
    catalogue = replace(catalogue, embedding=vectors)
    validation, test = read_users(split, "validation"), window_users(split, "test", params.recommend.exclude_seen)
    models = {name: create(name, params).fit(events, catalogue, validation) for name in MODELS}
    smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
    blend = HybridRecommender.of_parts(dict(models), params).blend(validation, events.n_items, smoother)
    found = {}
    for name, model in {**models, "hybrid": blend}.items():
        lists = rank(model, test, 10, params.recommend.exclude_seen, events.n_items, params.recommend.batch_users)
        found[name] = per_user(lists, test.ground_truth, [10])["ndcg_at_10"]
    ids = pq.read_table(split / "users.parquet", columns=["user_idx", "user_id"]).to_pandas().set_index("user_idx")
    return pd.DataFrame(found, index=ids["user_id"].reindex(test.user_idx))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose names have one of these words")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    params = load(CHECKOUT / "params.yaml", overrides=[*SHOP, *args.overrides])
    days = round(params.shop.days - params.split.test_days)
    start = np.datetime64(params.shop.start, "s") + np.timedelta64(days, "D")
    first: pd.DataFrame | None = None
    for name, change in cases(str(start)).items():
        if first is not None and not any(word in name for word in args.only):
            continue
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            found = measure(params, change)
        if first is None:
            first = found
            print(f"| {len(found)} test users | {' | '.join(found)} |\n|{'---|' * (1 + len(found.columns))}")
            cells = [f"{value:.4f}" for value in found.mean()]
        else:
            changes = (found - first).dropna()
            margins = 1.96 * changes.std() / np.sqrt(len(changes))
            cells = [f"{mean:+.4f} ± {margin:.4f}" for mean, margin in zip(changes.mean(), margins, strict=True)]
            cells[-1] += f" ({len(changes)} users)"
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
