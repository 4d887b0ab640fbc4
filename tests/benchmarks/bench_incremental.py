"""Sums of events that grow by a day, and lose a user, against a full fit: equality of lists, and CPU seconds.

    python tests/benchmarks/bench_incremental.py [--data FOLDER] [--days 30] [--deletions 200] [--set a.b=c ...]

Without --data: the simulated shop of params.yaml. FOLDER: the files of the gift shop (examples/online_retail).

For each of the last days of the shop, the day's events are added to the sums of the days before. The closed-form models
of these sums are compared with models fitted on all events: the first 10 items of every known user. Then users are
subtracted one after the other, and the models of the remaining sums are compared with a fit that never saw them.
Prints CPU seconds of both ways, part by part. Product vectors are random: they are not learned from events.
Exits 1 where fewer than 99.9 % of the lists are equal, or a value differs by more than 1e-5.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from components.contracts import WINDOWS, Catalogue, Interactions, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions
from components.params import Params, load
from components.recommenders.factory import SIMPLE, create, usable
from components.recommenders.sums import SummedRecommender, TrainingSums, sums_for
from components.times import DAY_US

CHECKOUT = Path(__file__).resolve().parents[2]
K, DIM, MIN_EQUAL, TOLERANCE = 10, 64, 0.999, 1e-5
T = TypeVar("T")
SECONDS: dict[str, float] = defaultdict(float)


def timed(part: str, work: Callable[[], T]) -> T:
    """Return the result of the work, and add its CPU seconds to the part's."""
    started = time.process_time()
    result = work()
    SECONDS[part] += time.process_time() - started
    return result


def read_shop(folder: Path, data: Path | None, overrides: list[str]) -> tuple[Params, Interactions, Catalogue]:
    """Take a snapshot of the shop in the folder; return its parameters, all events and its products."""
    overlays = [CHECKOUT / "examples/online_retail/params.yaml"] if data else []
    params = load(CHECKOUT / "params.yaml", overlays, overrides)
    (folder / "data").mkdir()
    if data:
        (folder / "data/online_retail").symlink_to(data.resolve())
    with chdir(folder):
        if not data:
            write_shop(params.shop, params.seed, Path("data/raw"))
        for name in ("snapshot", "split"):
            Path(f"data/{name}").mkdir()
        take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
        snapshot, split = Path("data/snapshot"), Path("data/split")
        make_split(snapshot, split, params.split, params.data.as_of, params.data.memory_gib)
        events, catalogue = read_interactions(split, WINDOWS), read_catalogue(split)
    vectors = np.random.default_rng(params.seed).normal(size=(events.n_items + 1, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    return params, events, replace(catalogue, embedding=vectors)


def until(events: Interactions, end: int) -> Interactions:
    """Return the events before the end (us)."""
    return replace(events.filter(events.timestamp < end), now=end)


def users_of(events: Interactions, max_history: int) -> Users:
    """Return all known users with their newest events; user_idx 0 has none."""
    history = events.by_user().newest(max_history)
    return Users(np.arange(len(history), dtype=np.int32), history, events.now)


def fit(way: str, params: Params, sums: TrainingSums, catalogue: Catalogue) -> list[SummedRecommender]:
    """Return the models of the sums, and count the CPU seconds of each."""
    found = []
    for name in usable(SIMPLE, params):
        model = create(name, params)
        if not isinstance(model, SummedRecommender):  # transitions, which have counts of their own
            continue
        found.append(timed(f"{way}: {name}", lambda model=model: model.fit_from(sums, catalogue)))  # type: ignore[misc]
    return found


def compare(one: list[SummedRecommender], other: list[SummedRecommender], users: Users, seen: bool) -> list[float]:
    """Return for each model the share of users whose lists are equal."""
    shares = []
    for left, right in zip(one, other, strict=True):
        lists = [model.recommend(users, K, exclude_seen=seen).items for model in (left, right)]
        shares.append(float((lists[0] == lists[1]).all(axis=1).mean()))
    return shares


def largest_difference(one: TrainingSums, other: TrainingSums) -> float:
    """Return the largest difference of two sums: of matrix entries, and of popularities."""
    rows = abs(one.matrix() - other.matrix())
    popular = [np.abs(one.popularity(days) - other.popularity(days)).max() for days in one.decayed]
    return float(max(rows.max() if rows.nnz else 0, *popular))


def judge(what: str, shares: list[list[float]], names: list[str], difference: float) -> bool:
    """Print the smallest share of equal lists by model; return whether all hold."""
    lowest = np.min(shares, axis=0)
    holds = bool(lowest.min() >= MIN_EQUAL and difference <= TOLERANCE)
    each = ", ".join(f"{name} {share:.4f}" for name, share in zip(names, lowest, strict=True))
    print(f"{what}: equal lists at least {each}; largest difference of the sums {difference:.1e}: ", end="")
    print("holds" if holds else "MISSED", flush=True)
    return holds


def fold_days(params: Params, events: Interactions, catalogue: Catalogue, days: int) -> tuple[bool, TrainingSums]:
    """Add one day after the other; compare each with a full fit."""
    ends = [events.now - (days - day) * DAY_US for day in range(days + 1)]
    models = [create(name, params) for name in usable(SIMPLE, params)]
    sums, shares, difference = sums_for(models, until(events, ends[0])), [], 0.0
    for start, end in itertools.pairwise(ends):
        past = until(events, end)
        day = past.filter(past.timestamp >= start)
        sums = timed("folded: sums", lambda day=day, sums=sums: sums.add(day))
        full = timed("full: sums", lambda past=past: sums_for(models, past))
        difference = max(difference, largest_difference(sums, full))
        one, other = (fit(way, params, found, catalogue) for way, found in (("folded", sums), ("full", full)))
        users = users_of(past, params.split.max_history)
        shares.append(compare(one, other, users, params.recommend.exclude_seen))
    return judge(f"{days} days", shares, [m.name for m in one], difference), sums


def delete_users(params: Params, events: Interactions, catalogue: Catalogue, sums: TrainingSums, n: int) -> bool:
    """Subtract n users one after the other; compare with sums and models that never saw them."""
    known = np.unique(events.user_idx[events.user_idx > 0])
    gone = known[:: max(1, len(known) // n)][:n]
    starts = np.searchsorted(events.user_idx, gone), np.searchsorted(events.user_idx, gone, side="right")
    for start, stop in zip(*starts, strict=True):
        rows = np.zeros(len(events), np.bool_)
        rows[start:stop] = True
        own = events.filter(rows)
        sums = timed("subtracted: sums", lambda own=own, sums=sums: sums.subtract(own))
    sums = sums.drop_users(gone)
    left = events.filter(~np.isin(events.user_idx, gone))
    moved = (left.user_idx - np.searchsorted(gone, left.user_idx)).astype(np.int32)
    left = replace(left, user_idx=moved, n_users=events.n_users - len(gone))
    models = [create(name, params) for name in usable(SIMPLE, params)]
    full = timed("refit: sums", lambda: sums_for(models, left))
    one, other = (fit(way, params, found, catalogue) for way, found in (("subtracted", sums), ("refit", full)))
    shares = compare(one, other, users_of(left, params.split.max_history), params.recommend.exclude_seen)
    return judge(f"{len(gone)} deletions", [shares], [m.name for m in one], largest_difference(sums, full))


def show(days: int, deletions: int) -> None:
    """Print the mean CPU seconds of a day, and of a deletion."""
    rows = {"folded": days, "full": days, "subtracted": 1, "refit": 1}
    for part, seconds in SECONDS.items():
        way, name = part.split(": ")
        n = deletions if part == "subtracted: sums" else rows[way]
        print(f"{way:10} {name:12} {seconds / n:9.4f} CPU s")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--deletions", type=int, default=200)
    parser.add_argument("--set", nargs="*", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        params, events, catalogue = read_shop(Path(folder), asked.data, asked.set)
    print(f"{len(events):,} events, {events.n_users:,} users, {events.n_items:,} products", flush=True)
    equal, sums = fold_days(params, events, catalogue, asked.days)
    deleted = delete_users(params, events, catalogue, sums, asked.deletions)
    show(asked.days, asked.deletions)
    sys.exit(0 if equal and deleted else 1)


if __name__ == "__main__":
    main()
