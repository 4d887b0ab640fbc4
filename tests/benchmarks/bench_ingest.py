"""Time ingest and split of ten million events against the same reading and sorting in bare DuckDB, side by side.

    python tests/benchmarks/bench_ingest.py [--events 10000000] [--users 1000000] [--products 50000] [--rounds 3]
        [--kinds parquet csv] [--folder DIR] [--memory-gib 3]

Bare DuckDB reads the typed events, sorts them by time and writes Parquet, then reads these, sorts them by user and time
and writes Parquet again. Ingest and split do that too, and validate every row, count, find duplicates, check the
contract, quarantine, partition by month, write page checksums, and index users and items. Each run is a separate
process; bare and ours alternate, so that the load of the machine affects both. Exits 1 where the median ratio is above
2, or the peak memory of ours is 1 GiB above data.memory_gib or more.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MAX_RATIO, BESIDE_GIB = 2.0, 1.0
FORMATS = {"parquet": "(COMPRESSION zstd)", "csv": ""}
TYPES = {"user_id": "VARCHAR", "item_id": "VARCHAR", "timestamp": "TIMESTAMP", "event": "VARCHAR",
         "quantity": "DOUBLE", "price": "DOUBLE", "session_id": "VARCHAR"}  # fmt: skip


def write_events(folder: Path, kinds: list[str], n: int, users: int, products: int) -> None:
    """Write a year of n events in the order of time, a file of each kind, and their products."""
    import duckdb

    events = f"""
        SELECT
            'u' || (hash(i * 7 + 1) % {users}) AS user_id,
            'i' || (((hash(i * 13 + 5) % 1000000) / 1e6) ** 2 * {products})::INT AS item_id,
            make_timestamp(1735689600000000 + i * {365 * 86_400_000_000 // n}) AS timestamp,
            ['view', 'view', 'view', 'cart', 'purchase'][1 + (hash(i * 3) % 5)::INT] AS event,
            1 + hash(i) % 3 AS quantity,
            round(1 + hash(i * 13 + 5) % 10000 / 100, 2) AS price,
            's' || (hash(i // 5) % 100000000) AS session_id
        FROM range({n}) t(i)
    """
    with duckdb.connect() as connection:
        for kind in kinds:
            connection.execute(f"COPY ({events}) TO '{folder}/events.{kind}' {FORMATS[kind]}")
        connection.execute(
            f"COPY (SELECT 'i' || i AS item_id FROM range({products + 1}) t(i)) TO '{folder}/products.csv'"
        )


def bare(folder: Path, kind: str, threads: int, memory_gib: float) -> None:
    """Read and sort by time, then by user and time, with DuckDB alone."""
    import duckdb

    columns = ", ".join(f"{c}: '{t}'" for c, t in TYPES.items())
    read = f"read_csv('{folder}/events.csv', columns = {{{columns}}}, header = true, auto_detect = false, delim = ',')"
    read = f"read_parquet('{folder}/events.parquet')" if kind == "parquet" else read
    with duckdb.connect(
        config={"threads": threads, "memory_limit": f"{memory_gib}GiB", "temp_directory": str(folder / "spill")}
    ) as connection:
        to = f"'{folder}/{{}}.parquet' (COMPRESSION zstd)"
        connection.execute(f"COPY (FROM {read} ORDER BY timestamp) TO {to.format('by_time')}")
        by_user = f"FROM read_parquet('{folder}/by_time.parquet') ORDER BY user_id, timestamp"
        connection.execute(f"COPY ({by_user}) TO {to.format('by_user')}")


def ours(folder: Path, kind: str, threads: int, memory_gib: float) -> None:
    """Run ingest and split."""
    from components import params
    from components.data.snapshot import take_snapshot
    from components.data.split import make_split

    sources = f"{{products: [{{path: products.csv}}], events: [{{path: events.{kind}}}]}}"
    knobs = ['data.as_of="2026-01-01T00:00:00Z"', "data.simulated=false", f"data.threads={threads}",
             f"data.memory_gib={memory_gib}", f"data.sources={sources}"]  # fmt: skip
    chosen = params.load(CHECKOUT / "params.yaml", [], knobs)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    snapshot, split = out / "data/snapshot", out / "data/split"
    for made in (snapshot, split):
        made.mkdir(parents=True)
    take_snapshot(chosen.data, folder, snapshot, out / "data/quarantine")
    make_split(snapshot, split, chosen.split, chosen.data.as_of, chosen.data.memory_gib)


def measure(what: str, kind: str, folder: Path, args: argparse.Namespace) -> tuple[float, float, float]:
    """Run `what` in a separate process; return its seconds without imports, CPU seconds, and peak memory in GiB."""
    command = [sys.executable, __file__, "--one", what, "--kinds", kind, "--folder", str(folder)]
    command += ["--threads", str(args.threads), "--memory-gib", str(args.memory_gib)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    seconds, cpu, gib = json.loads(done.stdout)
    return seconds, cpu, gib


def run_one(what: str, kind: str, folder: Path, threads: int, memory_gib: float) -> None:
    """Run it in this process, and print seconds, CPU seconds and peak memory as JSON."""
    import resource

    if what == "ours":
        import components.data.snapshot
        import components.data.split  # noqa: F401
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    started, cpu = time.perf_counter(), time.process_time()
    {"bare": bare, "ours": ours}[what](folder, kind, threads, memory_gib)
    seconds = time.perf_counter() - started
    cpu = time.process_time() - cpu
    print(json.dumps([seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


def main() -> None:
    """Make the events once, run both alternately, print ratios, exit 1 above the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["parquet", "csv"], choices=["parquet", "csv"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gib", type=float, default=3.0, help="of DuckDB, in both")
    parser.add_argument("--one", choices=["bare", "ours"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.kinds[0], args.folder, args.threads, args.memory_gib)
        return
    failed = False
    with tempfile.TemporaryDirectory(dir=args.folder) as made:
        folder = Path(made)
        write_events(folder, args.kinds, args.events, args.users, args.products)
        for kind in args.kinds:
            ratios, peak = [], 0.0
            for number in range(args.rounds):
                base, base_cpu, base_gib = measure("bare", kind, folder, args)
                mine, cpu, gib = measure("ours", kind, folder, args)
                ratios.append(mine / base)
                peak = max(peak, gib)
                print(
                    f"{kind} round {number + 1}: bare {base:.1f} s (CPU {base_cpu:.1f}), {base_gib:.2f} GiB; "
                    f"ours {mine:.1f} s (CPU {cpu:.1f}), {gib:.2f} GiB; ratio {ratios[-1]:.2f}",
                    flush=True,
                )
            median = statistics.median(ratios)
            print(f"{kind}: {args.events} events, median ratio {median:.2f}, peak {peak:.2f} GiB")
            failed |= median > MAX_RATIO or peak >= args.memory_gib + BESIDE_GIB
    sys.exit(failed)


if __name__ == "__main__":
    main()
