"""Memory of training the sequence model on more events than fit: reading, cutting into segments, steps, validation.

    python tests/benchmarks/bench_training_memory.py [--events 10000000] [--users 100000] [--products 200000]
        [--steps 30] [--folder DIR]

Writes the files of `split` for planted events, and trains so many steps from them in a process of its own. Prints its
peak of anonymous memory (what the system cannot take back), its peak with pages of mapped files, which the system
drops or writes to the disk when memory is short, and seconds of each part. Exits 1 where the anonymous memory is above
4 GiB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.data.tables import SplitInfo, read_catalogue, read_interactions, read_users
from components.params import load
from components.times import DAY_US

CHECKOUT = Path(__file__).resolve().parents[2]
MAX_GIB, DIM, TRAIN_DAYS, VALIDATED = 4.0, 384, 365, 2_000


def write_split(folder: Path, n: int, users: int, products: int) -> None:
    """Write n training events of so many users in the order of users, and one target of VALIDATED users."""
    import duckdb

    each, end = n // users, TRAIN_DAYS * DAY_US
    item = f"1 + (((hash(i * 13 + 5) % 1000000) / 1e6) ** 2 * {products - 1})::INT AS item_idx"
    rest = "(hash(i * 3) % 5)::TINYINT AS event, 1::FLOAT AS weight"
    train = (
        f"SELECT 1 + (i // {each})::INT AS user_idx, {item}, (i % {each}) * {end // each}::BIGINT AS timestamp, "
        f"{rest}, false AS target FROM range({each * users}) t(i)"
    )
    validation = (
        f"SELECT 1 + i::INT AS user_idx, {item}, {end}::BIGINT AS timestamp, {rest}, true AS target "
        f"FROM range({min(users, VALIDATED)}) t(i)"
    )
    columns = (
        "'' AS title, NULL AS description, NULL AS brand, 'c' || i % 400 AS category, 'en' AS language, 1.0 AS price"
    )
    items = f"SELECT (i + 1)::INT AS item_idx, 'i' || i AS item_id, {columns} FROM range({products}) t(i)"
    with duckdb.connect() as connection:
        for name, sql in {"train": train, "validation": validation, "items": items}.items():
            connection.execute(f"COPY ({sql}) TO '{folder}/{name}.parquet' (ROW_GROUP_SIZE 1000000)")
    info = SplitInfo(
        protocol="global_time", train_end=end, validation_end=end + DAY_US, test_end=end + DAY_US, n_users=users,
        n_items=products, max_history=200, simulated=True,
    )  # fmt: skip
    (folder / "split.json").write_text(info.model_dump_json())


def memory_gib(field: str) -> float:
    """Return a field of /proc/self/status: RssAnon, VmHWM."""
    line = next(text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith(field))
    return int(line.split()[1]) / 2**20


def train(split: Path, steps: int) -> dict[str, float]:
    """Train so many steps; return seconds of reading and of the rest, and peaks in GiB."""
    from components.recommenders.sequence.recommender import SequenceRecommender

    peak, done = [memory_gib("RssAnon")], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], memory_gib("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        params = load(CHECKOUT / "params.yaml", [], [f"trainer.max_steps={steps}"])
        started = time.perf_counter()
        events, catalogue, users = read_interactions(split), read_catalogue(split), read_users(split, "validation")
        vectors = np.random.default_rng(0).standard_normal((events.n_items + 1, DIM), dtype=np.float32)
        read_s = time.perf_counter() - started
        SequenceRecommender.from_params(params).fit(events, replace(catalogue, embedding=vectors), users)
        fit_s = time.perf_counter() - started - read_s
    finally:
        done.set()
        watcher.join()
    return {"read_s": read_s, "fit_s": fit_s, "anonymous_gib": peak[0], "with_files_gib": memory_gib("VmHWM")}


def main() -> int:
    """Write the events, train in another process, print its figures; return 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--products", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--split", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.split:
        print(json.dumps(train(args.split, args.steps)))
        return 0
    with tempfile.TemporaryDirectory(dir=args.folder) as made:
        write_split(Path(made), args.events, args.users, args.products)
        command = [sys.executable, __file__, "--split", made, "--steps", str(args.steps)]
        environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(CHECKOUT)), "TMPDIR": made}
        done = subprocess.run(command, check=True, cwd=made, env=environment, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
    print(f"{args.events} events, {args.products} products: " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()))
    return int(found["anonymous_gib"] > MAX_GIB)


if __name__ == "__main__":
    sys.exit(main())
