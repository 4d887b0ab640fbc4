"""A small shop on disk, as its owner would export it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import params
from components.data.snapshot import SnapshotInfo
from components.params import Params

ROOT = Path(__file__).parents[3]


def load(**values: Any) -> Params:
    """Return params.yaml with `section__knob` values replaced."""
    return params.load(ROOT / "params.yaml", overrides=[f"{k.replace('__', '.')}={v}" for k, v in values.items()])


def write_snapshot(folder: Path, events: list[tuple[str | None, str, str, str]], items: list[str]) -> Path:
    """Write a snapshot of (user, item, time, event) rows and items by hand, all events in one month's file."""
    names = ("user_id", "item_id", "timestamp", "event")
    columns = dict(zip(names, zip(*events, strict=True), strict=True))
    times = pa.array(columns["timestamp"], pa.string()).cast(pa.timestamp("us"))
    table = pa.table({**{n: pa.array(c, pa.string()) for n, c in columns.items()}, "timestamp": times})
    (folder / "events/month=2026-01").mkdir(parents=True)
    pq.write_table(table, folder / "events/month=2026-01/part-0.parquet")
    (folder / "products").mkdir()
    none = pa.nulls(len(items), pa.string())
    products = {"item_id": pa.array(items), "title": pa.array([f"Title {i}" for i in items])}
    products |= dict.fromkeys(("description", "brand", "category", "language"), none)
    pq.write_table(
        pa.table({**products, "price": pa.nulls(len(items), pa.float64())}), folder / "products/part-0.parquet"
    )
    info = SnapshotInfo(as_of="2026-03-01T00:00:00+00:00", simulated=False, counts={})
    (folder / "snapshot.json").write_text(info.model_dump_json())
    return folder


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return a snapshot with three users, four items and days 1 to 28 of January."""
    rows: list[tuple[str | None, str, str, str]] = [
        ("ann", "a", "2026-01-01 10:00:00", "purchase"),
        ("ann", "b", "2026-01-02 10:00:00", "view"),
        ("bob", "a", "2026-01-03 10:00:00", "purchase"),
        (None, "c", "2026-01-04 10:00:00", "purchase"),
        ("ann", "c", "2026-01-10 00:00:00", "purchase"),
        ("bob", "b", "2026-01-12 10:00:00", "cart"),
        ("cid", "d", "2026-01-18 10:00:00", "purchase"),
        ("ann", "d", "2026-01-19 23:59:59", "purchase"),
        ("bob", "c", "2026-01-20 00:00:00", "purchase"),
        ("cid", "a", "2026-01-25 10:00:00", "purchase"),
        ("cid", "a", "2026-01-26 10:00:00", "impression"),
        ("ann", "nowhere", "2026-01-26 11:00:00", "purchase"),
    ]
    return write_snapshot(tmp_path / "snapshot", rows, ["d", "b", "a", "c"])
