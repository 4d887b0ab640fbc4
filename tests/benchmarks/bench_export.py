"""Time `carousel export` against the service, in process and over HTTP, and against `implicit`'s batch `recommend`.

    python tests/benchmarks/bench_export.py [--users 10000] [--items 10000] [--k 10] [--bundle DIR] [--folder DIR]

Users have 25 random events each, on popular products more often. --bundle: one that `carousel retrain` made, such as
`bundle`; without one, ALS is fitted on the events. One thread for each process, and one process of the service; CPU
seconds, since other programs may run.

The export is made by `carousel export`: of one user, whose CPU seconds are those of the start; of all, unbroken; killed
with SIGKILL when half of the users are done; and again, which must end with the bytes of the unbroken one. Its lists
must be those of the service for a sample of users.
implicit has its matrix in memory and returns arrays: user vectors stored, or solved from the history as an export must.
Exits 1 where lists or bytes differ.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from components.contracts import Interactions, Lineage, Users
from components.io import sha256_file
from components.offline.export import BATCH_USERS
from components.offline.model import OfflineModel
from components.offline.parts import PART_USERS
from components.params import load
from components.recommenders.als import AlsRecommender
from components.release.bundle import Bundle, open_bundle
from components.release.registry import Registry
from components.release.runs import RunFiles
from components.serving.inference.scorer import score_block
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.settings import Settings
from tests.benchmarks.bench_service import SERVE, Connection, running, until_ready
from tests.benchmarks.export_shop import fill_store, fit_als, make_bundle, make_catalogue, random_events

ROOT = Path(__file__).parents[2]
CONNECTIONS = 8  # to the service at once
PORT = 8197
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Shop:
    """A home folder with a champion and an event store."""

    home: Path
    bundle: Path
    n_users: int
    k: int
    as_of: str

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the command line."""
        return os.environ | {"CAROUSEL_HOME": str(self.home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Print rates, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=10_000, help="products, where no bundle is given")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--sample", type=int, default=1_000, help="users that the service is asked for")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-export-", dir=asked.folder) as folder:
        compare(Path(folder), asked.bundle, asked.users, asked.items, asked.k, asked.sample)


def compare(folder: Path, bundle: Path | None, n_users: int, n_items: int, k: int, n_sample: int) -> None:
    """Make the shop, then time all."""
    params, given = load(ROOT / "params.yaml"), open_bundle(bundle) if bundle else None
    n_items = given.info.n_items if given else n_items
    interactions = random_events(n_users, n_items)
    catalogue = given.catalogue if given else make_catalogue(n_items)
    bundle = bundle or make_bundle(folder, params, interactions, catalogue)
    fill_store(folder / "home/shops/carousel/serving/state.db", interactions, catalogue.item_id)
    shop = Shop(folder / "home", bundle.resolve(), n_users, k, datetime.now(UTC).isoformat(timespec="seconds"))
    register(shop)
    opened = open_bundle(bundle)
    print(f"{n_users:,} users x {n_items:,} products, lists of {k}, model {opened.info.model}", flush=True)
    lists, one_user = folder / "lists.parquet", folder / "one.txt"
    one_user.write_text("u0000001\n")
    for _ in range(2):  # the first one also makes the database of Prefect, and fetches the bundle
        start, least_mib = export(shop, folder / "one.parquet", "--users", str(one_user))
    seconds, mib = export(shop, lists)
    rate = report("carousel export, without its start", n_users, seconds - start)
    print(f"  its start {start:.1f} CPU s; peak memory {mib:.0f} MiB, of one user {least_mib:.0f} MiB", flush=True)
    broken = folder / "broken.parquet"
    n_done = kill_half_way(shop, broken)
    seconds, _ = export(shop, broken)
    same = sha256_file(lists) == sha256_file(broken)
    print(f"  killed after {n_done:,} users; the rest took {seconds:.1f} CPU s; same bytes: {same}", flush=True)
    sample = np.random.default_rng(1).choice(n_users, min(n_sample, n_users), replace=False) + 1
    wanted = lists_of(lists, {f"u{user:07d}" for user in sample})
    equal = ask_in_process(shop, opened, wanted, rate)
    equal &= ask_over_http(shop, folder, wanted, rate)
    _, seconds = timed(lambda: score_in_blocks(opened, interactions, k))
    scores = report("its scores and best k, histories in memory", n_users, seconds)
    als = opened.model if isinstance(opened.model, AlsRecommender) else fit_als(params, interactions, catalogue)
    for name, is_solved in (("implicit, stored user vectors", False), ("implicit, solved user vectors", True)):
        _, seconds = timed(implicit_lists(als, interactions, k, is_solved))
        rate_of_implicit = report(f"{name}, {als.params.factors} wide", n_users, seconds, rate)
        print(f"  scores and best k of the export / this {scores / rate_of_implicit:.2f}", flush=True)
    sys.exit(0 if same and equal else 1)


def register(shop: Shop) -> None:
    """Make the bundle the champion of the home folder, for the service."""
    registry = Registry(Settings(home=shop.home).resolved(ROOT), load(ROOT / "params.yaml").release)
    registry.prepare()
    opened = open_bundle(shop.bundle)
    lineage = Lineage(
        git_revision="0" * 40, git_dirty=False, data_version="d.dir", params_digest="p", bundle_digest=opened.digest,
        as_of=shop.as_of, model=opened.info.model,
    )  # fmt: skip
    reports = shop.home / "reports"
    reports.mkdir()
    files = RunFiles({}, reports, ROOT / "params.yaml", ROOT / "dvc.yaml", "ndcg_at_10")
    registry.move("champion", registry.register(shop.bundle, lineage, files))


def export(shop: Shop, target: Path, *options: str) -> tuple[float, float]:
    """Export by the command line; return CPU seconds of it and its children, and its own peak memory in MiB."""
    process = subprocess.Popen([*command(shop, target), *options], cwd=ROOT, env=shop.env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"carousel export: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime, int(output.rpartition("VmHWM:")[2].split()[0]) / 1024


def kill_half_way(shop: Shop, target: Path) -> int:
    """Start an export, kill it with SIGKILL once half of the parts are there; return the number of finished users."""
    process = subprocess.Popen(command(shop, target), cwd=ROOT, env=shop.env, stdout=subprocess.DEVNULL)
    unfinished, half = shop.home / "shops/carousel/exports/unfinished", max(1, shop.n_users // PART_USERS // 2)
    while len(list(unfinished.glob("*/part-*.parquet"))) < half:
        if process.poll() is not None:
            sys.exit("carousel export ended before it was killed; give more users")
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return PART_USERS * len(list(unfinished.glob("*/part-*.parquet")))


def command(shop: Shop, target: Path) -> list[str]:
    """Return the command of an export."""
    # ru_maxrss would be the memory of this process, which the new one has before it starts its program
    memory = "atexit.register(lambda: print(open('/proc/self/status').read()))"
    program = f"import atexit, sys; {memory}; from flows.cli import main; sys.exit(main())"
    options = ["--version", "1", "--k", str(shop.k), "--as-of", shop.as_of]
    return [sys.executable, "-c", program, "export", str(target), *options]


def ask_in_process(shop: Shop, bundle: Bundle, wanted: dict[str, list[str]], rate: float) -> bool:
    """Time one call for each user; return whether the lists are those of the export."""
    store = SqliteEventStore(shop.home / "shops/carousel/serving/state.db")
    model = OfflineModel(bundle, load(ROOT / "params.yaml"), store)
    requests = [RecommendRequest(user_id=user, k=shop.k) for user in wanted]
    found, seconds = timed(lambda: [model.recommend(request) for request in requests])
    store.close()
    report("service in process, one by one", len(wanted), seconds, rate)
    equal = [[item.item_id for item in answer.items] for answer in found] == list(wanted.values())
    print(f"  lists equal to the export's: {equal} ({len(wanted):,} users)", flush=True)
    return equal


def ask_over_http(shop: Shop, folder: Path, wanted: dict[str, list[str]], rate: float) -> bool:
    """Time the requests to one process of the service; return whether the lists are those of the export."""
    options = (f"serving.port={PORT}", "serving.workers=1", f"serving.list_cache_size={2 * len(wanted)}")
    with running(SERVE, str(shop.home), *options, log=folder / "service.log"):
        found, cpu, wall = asyncio.run(send(wanted, shop.k))
    report("service over HTTP, one process", len(wanted), cpu, rate)
    equal = found == wanted
    print(f"  {wall:.1f} s of wall time; lists equal to the export's: {equal} ({len(wanted):,} users)", flush=True)
    return equal


async def send(wanted: dict[str, list[str]], k: int) -> tuple[dict[str, list[str]], float, float]:
    """Return the lists of the users, and CPU and wall seconds of the service."""
    await until_ready(PORT)
    left, found = iter(wanted), dict[str, list[str]]()

    async def one() -> None:
        connection = Connection(PORT)
        await connection.open()
        for user in left:
            status, body = await connection.post("/recommend", json.dumps({"user_id": user, "k": k}).encode())
            if status != 200:
                sys.exit(f"the service answered {status}")
            found[user] = [item["item_id"] for item in json.loads(body)["items"]]

    before, started = cpu_of_children(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    wall = time.perf_counter() - started
    return {user: found[user] for user in wanted}, cpu_of_children() - before, wall


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes below this one."""
    pending, total = [os.getpid()], 0.0
    while pending:
        pid = pending.pop()
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pending += map(int, below)
        if pid != os.getpid():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def lists_of(file: Path, users: set[str]) -> dict[str, list[str]]:
    """Return the exported lists of these users."""
    rows = pq.read_table(file, columns=["user_id", "item_id"], filters=[("user_id", "in", users)]).to_pylist()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["user_id"], []).append(row["item_id"])
    return found


def score_in_blocks(bundle: Bundle, interactions: Interactions, k: int) -> None:
    """Make the best k of each user as an export does, from histories in memory."""
    history = interactions.by_user().newest(bundle.info.max_history)
    users = Users(np.zeros(len(history), np.int32), history, interactions.now)
    with threadpool_limits(1):
        for _, block in users.slice(1, len(history)).batches(BATCH_USERS):
            score_block(bundle, block, k)


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


def report(name: str, n_users: int, seconds: float, export_rate: float | None = None) -> float:
    """Print one line; return users per CPU second."""
    rate = n_users / seconds
    ratio = "" if export_rate is None else f", export / this {export_rate / rate:.2f}"
    print(f"{name:44} {n_users:8,} users {seconds:7.1f} CPU s {rate:8,.0f} users per CPU second{ratio}", flush=True)
    return rate


if __name__ == "__main__":
    main()
