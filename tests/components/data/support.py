"""Small input files, and readers of the outputs of ingest."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.data.engines import TaskEngine
from components.data.partitions import read_table
from components.data.quality import Counts, TableQuality
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.data.tables import SplitInfo
from components.params import DataParams

PRODUCTS = b"item_id,title,price\n" + b"".join(b"i%d,Thing %d,%d.5\n" % (i, i, i) for i in range(1, 10))
TIME = {"validation_days": 7, "test_days": 7, "target_events": ["purchase"], "weights": {"view": 0.5, "purchase": 1.0}}
Cut = Callable[..., tuple[Path, SplitInfo]]
HEADER = b"user_id,item_id,timestamp,event,quantity,price\n"


def purchases(user: str, *days: str) -> list[tuple[str, str, str, str]]:
    """Return purchases of i1, i2, ... by the user on these days of 2026."""
    return [(user, f"i{n}", f"2026-{day}", "purchase") for n, day in enumerate(days, 1)]


def good(n: int = 1, user: int = 1) -> bytes:
    """Return n valid event lines, all different."""
    return b"".join(b"u%d,i1,2026-01-01 10:%02d:%02d,view,1,2.5\n" % (user, i // 60 % 60, i % 60) for i in range(n))


@dataclass
class Ingested:
    """The folder of a snapshot and its quarantine, with readers."""

    folder: Path
    quality: dict[str, TableQuality]

    @property
    def rules(self) -> dict[str, dict[str, int]]:
        return {table: quality.rules for table, quality in self.quality.items()}

    @property
    def snapshot(self) -> Path:
        return self.folder / "data/snapshot"

    def counts(self, table: str = "events") -> Counts:
        return read_snapshot_info(self.snapshot).counts[table]

    def rows(self, table: str = "events", columns: list[str] | None = None) -> list[dict[str, Any]]:
        return read_table(self.snapshot, table, columns).to_pylist()

    def bad(self, table: str = "events") -> list[dict[str, Any]]:
        return quarantined(self.folder, table).to_pylist()


def quarantined(folder: Path, table: str = "events") -> pa.Table:
    return pq.read_table(folder / f"data/quarantine/{table}.parquet", page_checksum_verification=True)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            gzip.compress(content, mtime=0) if name.endswith(".gz") and content[:2] != b"\x1f\x8b" else content
        )


ROWS = [("u1", "i1", "2026-01-02T03:04:05Z", "view", 1.0, 2.5), ("u2", "i2", "2026-01-03T03:04:05Z", "cart", 2.0, None)]
NAMES = ("user_id", "item_id", "timestamp", "event", "quantity", "price")
WANTED = [dict(zip(NAMES, (u, i, datetime.fromisoformat(t[:-1]), e, q, p), strict=True)) for u, i, t, e, q, p in ROWS]


def events_from(**source: Any) -> dict[str, list[dict[str, Any]]]:
    return {"products": [{"path": "in/products.csv"}], "events": [source]}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_equal_snapshots(folder: Path, data: DataParams, engine: TaskEngine) -> dict[str, TableQuality]:
    """Take the snapshot in this process and on an engine; return what was read."""
    found = []
    for name, chosen in (("memory", None), ("engine", engine)):
        out = folder / name / "data"
        out.mkdir(parents=True)
        found.append(take_snapshot(data, folder, out / "snapshot", out / "quarantine", engine=chosen))
    assert contents(folder / "engine/data") == contents(folder / "memory/data")
    assert found[0] == found[1]
    return found[0]
