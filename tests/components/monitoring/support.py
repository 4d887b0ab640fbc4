"""A small shop: every user prefers one category, and a share of them prefers another from a known day on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.params import DriftParams

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
SHIFT = START + timedelta(days=56)
DRIFT = DriftParams(
    window_days=14, sample=2000, max_distance=0.1, max_drifted_share=0.15, max_age_hours=48, min_volume_ratio=0.5
)
TOPS = ("Toys", "Books", "园艺", "Sports", "Pets", "Office")
PER_TOP = 10
EVENT_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.timestamp("us")), ("event", pa.string())]
)
TEXTS = ("item_id", "title", "description", "brand", "category", "language")
ITEM_SCHEMA = pa.schema([*((name, pa.string()) for name in TEXTS), ("price", pa.float64())])


def write_snapshot(folder: Path, events: list[dict[str, Any]], products: list[dict[str, Any]]) -> Path:
    """Write events and products as `ingest` does; missing values are null."""
    table = pa.Table.from_pylist(events, EVENT_SCHEMA).sort_by("timestamp")
    months = np.array([t.strftime("%Y-%m") for t in table["timestamp"].to_pylist()])
    for month in np.unique(months):
        _write(table.filter(pa.array(months == month)), folder / f"events/month={month}/part-0.parquet")
    _write(pa.Table.from_pylist(products, ITEM_SCHEMA), folder / "products/part-0.parquet")
    return folder


def catalogue(**changed: Any) -> list[dict[str, Any]]:
    """Return PER_TOP products in each of TOPS; price and language follow from the number."""
    return [
        {
            "item_id": f"sku-{i}",
            "category": f"{TOPS[i // PER_TOP]} > kind {i}",
            "language": "zh" if i % 2 else "en",
            "price": 5.0 + i % PER_TOP,
        }
        | changed
        for i in range(len(TOPS) * PER_TOP)
    ]


def visits(seed: int, days: int = 84, n_users: int = 300, shift_share: float = 0.0) -> list[dict[str, Any]]:
    """Return events: each user mostly looks at one category; from SHIFT on a share of them looks at the first two."""
    rng = np.random.default_rng(seed)
    home = rng.integers(len(TOPS), size=n_users)
    moved = np.where(rng.random(n_users) < shift_share, rng.integers(2, size=n_users), home)
    n = n_users * days // 3
    user = rng.integers(n_users, size=n)
    time = [START + timedelta(days=float(d)) for d in np.sort(rng.random(n) * days)]
    likes = np.where(np.array(time) >= SHIFT, moved[user], home[user])
    top = np.where(rng.random(n) < 0.8, likes, rng.integers(len(TOPS), size=n))
    item = top * PER_TOP + rng.integers(PER_TOP, size=n)
    name = rng.choice(["view", "cart", "purchase"], n, p=[0.7, 0.2, 0.1])
    return [
        {"user_id": f"user-{u}", "item_id": f"sku-{i}", "timestamp": t.replace(tzinfo=None), "event": str(e)}
        for u, i, t, e in zip(user, item, time, name, strict=True)
    ]


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, write_page_checksum=True)
