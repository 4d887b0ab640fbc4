"""A small snapshot, written by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components import params
from components.data.snapshot import SnapshotInfo
from components.params import Params

ROOT = Path(__file__).parents[3]


def load(**values: Any) -> Params:
    """Return params.yaml with `section__name` values replaced."""
    return params.load(ROOT / "params.yaml", overrides=[f"{k.replace('__', '.')}={v}" for k, v in values.items()])


def write_snapshot(folder: Path, events: list[tuple[str | None, str, str, str]], items: list[str]) -> Path:
    """Write a snapshot of (user, item, time, event) rows and items by hand, all events in one month's file."""
    names = ("user_id", "item_id", "timestamp", "event")
    columns = dict(zip(names, zip(*events, strict=True), strict=True))
    times = pa.array(columns["timestamp"], pa.string()).cast(pa.timestamp("us"))
    empty = {"quantity": pa.float64(), "price": pa.float64(), "session_id": pa.string(), "position": pa.int64()}
    texts = {n: pa.array(c, pa.string()) for n, c in columns.items()}
    nulls = {n: pa.nulls(len(events), kind) for n, kind in empty.items()}
    table = pa.table({**texts, "timestamp": times, **nulls})
    (folder / "events/month=2026-01").mkdir(parents=True)
    pq.write_table(table, folder / "events/month=2026-01/part-0.parquet")
    (folder / "products").mkdir()
    none = pa.nulls(len(items), pa.string())
    never = pa.nulls(len(items), pa.timestamp("us"))
    products = {"item_id": pa.array(items), "title": pa.array([f"Title {i}" for i in items])}
    products |= dict.fromkeys(("description", "brand", "category", "language"), none)
    pq.write_table(
        pa.table({**products, "price": pa.nulls(len(items), pa.float64()), "timestamp": never}),
        folder / "products/part-0.parquet",
    )
    info = SnapshotInfo(as_of="2026-01-05T00:00:00+00:00", simulated=False, counts={})
    (folder / "snapshot.json").write_text(info.model_dump_json())
    return folder
