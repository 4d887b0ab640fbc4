"""Time `carousel export` of an ALS model against the batch `recommend` of implicit with the same vectors.

    python tests/benchmarks/bench_export.py [--users 10000] [--items 10000] [--k 10] [--folder DIR]

Events are random, with popular products, 25 for each user. One thread each; CPU seconds, since other processes may run.
implicit gets its matrix in memory and returns arrays: with stored user vectors, and with vectors solved from the
history, which the export does too. The export reads histories from the event store, and writes a Parquet file.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix

from components.contracts import EVENTS, Catalogue, Interactions, Users
from components.offline.export import Job, export_lists
from components.offline.sources import open_folder
from components.offline.users import AllUsers
from components.params import Params, load
from components.ragged import Ragged
from components.recommenders.als import AlsRecommender
from components.recommenders.factory import create
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.times import HOUR_US, now_micros

ROOT = Path(__file__).parents[2]
EVENTS_PER_USER = 25


def main() -> None:
    """Print users per CPU second of both, memory, and how many products of the lists are the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-export-", dir=asked.folder) as folder:
        compare(Path(folder), asked.users, asked.items, asked.k)


def compare(folder: Path, n_users: int, n_items: int, k: int) -> None:
    """Make the shop, then time both."""
    params = load(ROOT / "params.yaml")
    interactions = random_events(n_users, n_items)
    catalogue = make_catalogue(n_items)
    bundle = make_bundle(folder, params, interactions, catalogue)
    store = SqliteEventStore(folder / "serving/state.db")
    store.bulk_insert(
        StoredEvent(f"u{user:07d}", at, catalogue.item_id[item], EVENTS[event])
        for user, item, at, event in zip(
            interactions.user_idx.tolist(), interactions.item_idx.tolist(), interactions.timestamp.tolist(),
            interactions.event.tolist(), strict=True,
        )
    )  # fmt: skip
    model = open_folder(bundle, params, store)
    before = peak_mib()
    target = folder / "lists.parquet"
    job = Job(target, RecommendRequest(k=k), AllUsers(store), folder / "unfinished", now_micros())
    _, seconds = timed(lambda: export_lists(model, job))
    print(f"{n_users:,} users x {n_items:,} products, lists of {k}; a loaded bundle: {before:.0f} MiB")
    report("carousel export", n_users, seconds)
    ours = pq.read_table(target, columns=["item_id"])["item_id"].to_numpy().reshape(n_users, k)
    als = model.bundle.model
    assert isinstance(als, AlsRecommender)
    for name, is_solved in (("implicit, stored user vectors", False), ("implicit, solved user vectors", True)):
        (items, _), seconds = timed(implicit_lists(als, interactions, k, is_solved))
        report(name, n_users, seconds)
    theirs = np.array(catalogue.item_id)[items]
    same = np.mean([len(set(a) & set(b)) / k for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)])
    print(f"same products in both lists: {same:.1%} (the export adds a small popularity prior, and recency)")
    store.close()


def implicit_lists(als: AlsRecommender, interactions: Interactions, k: int, is_solved: bool) -> Callable[[], Any]:
    """Return a call of implicit's batch recommend with the item vectors of the model, on one thread."""
    solver, shape = als.users, (interactions.n_users, interactions.n_items + 1)
    matrix = csr_matrix((interactions.weight, (interactions.user_idx - 1, interactions.item_idx)), shape=shape)
    users = np.arange(shape[0])
    solver.user_factors = solver.recalculate_user(users, matrix)
    padding = np.zeros(1, np.int32)
    return lambda: solver.recommend(
        users, matrix, N=k, filter_already_liked_items=True, filter_items=padding, recalculate_user=is_solved
    )


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result and the CPU seconds of all threads of this process."""
    started = time.process_time()
    return call(), time.process_time() - started


def report(name: str, n_users: int, seconds: float) -> None:
    """Print one line."""
    rate = n_users / seconds
    print(f"{name:32} {seconds:7.1f} CPU s, {rate:8,.0f} users per CPU second, peak memory so far {peak_mib():.0f} MiB")


def peak_mib() -> float:
    """Return the largest resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def random_events(n_users: int, n_items: int, seed: int = 0) -> Interactions:
    """Return views and purchases; a user's products are different, and popular products more frequent."""
    rng = np.random.default_rng(seed)
    n = n_users * EVENTS_PER_USER
    item_idx = 1 + np.minimum(n_items * rng.random(n) ** 2, n_items - 1).astype(np.int32)
    now = now_micros() - HOUR_US
    event = rng.choice([EVENTS.index("view"), EVENTS.index("purchase")], n, p=[0.8, 0.2]).astype(np.int8)
    return Interactions(
        user_idx=np.repeat(np.arange(1, n_users + 1, dtype=np.int32), EVENTS_PER_USER),
        item_idx=item_idx,
        timestamp=now - n + np.arange(n),
        event=event,
        weight=np.where(event == EVENTS.index("purchase"), 1.0, 0.3).astype(np.float32),
        n_users=n_users,
        n_items=n_items,
        now=now,
    )


def make_catalogue(n_items: int) -> Catalogue:
    """Return products without texts."""
    empty = [""] * (n_items + 1)
    names = ["", *(f"P{n:07d}" for n in range(1, n_items + 1))]
    price = np.full(n_items + 1, np.nan, np.float32)
    vectors = np.zeros((n_items + 1, 8), np.float32)
    return Catalogue(names, names, empty, empty, empty, empty, price, vectors)


def make_bundle(folder: Path, params: Params, interactions: Interactions, catalogue: Catalogue) -> Path:
    """Fit ALS and popularity, and build their bundle."""
    nobody = Ragged(np.zeros(1, np.int64), *(np.zeros(0, t) for t in (np.int32, np.int64, np.int8, np.float32)))
    users = Users(np.zeros(0, np.int32), nobody, interactions.now)
    for name in ("als", "popularity"):
        create(name, params).fit(interactions, catalogue, users).save(folder / name)
    for name in ("split", "features"):
        (folder / name).mkdir()
    fields = ("item_id", "title", "brand", "category", "language", "price")
    columns = {name: getattr(catalogue, name)[1:] for name in fields} | {"description": catalogue.text[1:]}
    columns["item_idx"] = np.arange(1, len(catalogue) + 1, dtype=np.int32)
    pq.write_table(pa.table(columns), folder / "split/items.parquet", write_page_checksum=True)
    save_file({"embedding": catalogue.embedding}, folder / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0]}), folder / "reference.parquet", write_page_checksum=True)
    info = BundleInfo(
        model="als", as_of="", train_end=interactions.now, validation_end=interactions.now, n_items=len(catalogue),
        max_history=params.split.max_history, exclude_seen=True, weights={"view": 0.3, "purchase": 1.0}, simulated=True,
        encoder=EncoderInfo(model="none", digest="0" * 64, dim=8, max_tokens=8),
    )  # fmt: skip
    sources = BundleSources(
        folder / "als", folder / "popularity", folder / "split", folder / "features", folder / "reference.parquet"
    )
    build_bundle(folder / "bundle", sources, info)
    return folder / "bundle"


if __name__ == "__main__":
    main()
