"""The simulated shop's files with random events, and with missing values, for tests and benchmarks."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Row = dict[str, Any]


def edit_products(raw: Path, change: Callable[[Row], Row]) -> None:
    """Write the products again, each row changed."""
    path = raw / "products.jsonl.gz"
    rows = [change(json.loads(line)) for line in gzip.decompress(path.read_bytes()).splitlines()]
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), 1, mtime=0))


def edit_events(raw: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Write the files of events again, all values as text."""
    for path in sorted((raw / "events").glob("*.csv.gz")):
        table = change(pd.read_csv(io.BytesIO(path.read_bytes()), compression="gzip", dtype=str, keep_default_na=False))
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode(), 1, mtime=0))


def blank(raw: Path, table: str, column: str, share: float, seed: int = 0) -> int:
    """Leave a share of the values of a column out; return how many."""
    rng, blanked = np.random.default_rng(seed), 0

    def without(row: Row) -> Row:
        nonlocal blanked
        if rng.random() >= share:
            return row
        blanked += 1
        return {name: value for name, value in row.items() if name != column}

    def emptied(events: pd.DataFrame) -> pd.DataFrame:
        nonlocal blanked
        rows = rng.random(len(events)) < share
        blanked += int(rows.sum())
        return events.assign(**{column: events[column].mask(rows, "")})

    if table == "products":
        edit_products(raw, without)
    else:
        edit_events(raw, emptied)
    return blanked


def drop(raw: Path, table: str, column: str) -> None:
    """Remove a column."""
    if table == "products":
        edit_products(raw, lambda row: {name: value for name, value in row.items() if name != column})
    else:
        edit_events(raw, lambda events: events.drop(columns=column))


def add_random_events(raw: Path, share: float, until: str | None = None, seed: int = 0) -> int:
    """Add views and purchases by random users of random products at random times; return how many.

    share: relative to the views, carts and purchases of the shop. until: an ISO time; events are earlier, so that the
    targets of later windows stay the shop's.
    """
    rng, files = np.random.default_rng(seed), sorted((raw / "events").glob("*.csv.gz"))
    every = pd.concat([pd.read_csv(file, dtype=str, keep_default_na=False) for file in files])
    real = every[every["event"].isin(["view", "cart", "purchase"])]
    if until is not None:
        real = real[real["timestamp"] < until]
    n = round(share * len(real))
    times = pd.to_datetime(real["timestamp"], utc=True)
    second = rng.integers(0, max(1, int((times.max() - times.min()).total_seconds())), n)
    noise = pd.DataFrame("", index=range(n), columns=every.columns)
    noise["user_id"] = rng.choice(np.unique(real["user_id"]), n)
    noise["item_id"] = rng.choice(np.unique(real["item_id"]), n)
    noise["event"] = rng.choice(real["event"].to_numpy(), n)
    noise["timestamp"] = (times.min() + pd.to_timedelta(second, unit="s")).strftime("%Y-%m-%dT%H:%M:%S")
    (raw / "events/events_random.csv.gz").write_bytes(gzip.compress(noise.to_csv(index=False).encode(), 1, mtime=0))
    return n
