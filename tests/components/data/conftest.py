"""A shop of one's own on disk, and what ingest made of it."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components import params
from components.data.quality import Counts
from components.data.snapshot import read_snapshot_info, read_table, take_snapshot
from tests.components.data.small import write_snapshot

CHECKOUT = Path(__file__).parents[3]
PRODUCTS = b"item_id,title,price\n" + b"".join(b"i%d,Thing %d,%d.5\n" % (i, i, i) for i in range(1, 10))
HEADER = b"user_id,item_id,timestamp,event,quantity,price\n"


def good(n: int = 1, user: int = 1) -> bytes:
    """Return n good event lines, all different."""
    return b"".join(b"u%d,i1,2026-01-01 10:%02d:%02d,view,1,2.5\n" % (user, i // 60 % 60, i % 60) for i in range(n))


@dataclass
class Ingested:
    """Where a snapshot was taken."""

    folder: Path
    rules: dict[str, dict[str, int]]

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


@pytest.fixture
def settings() -> Callable[..., params.Params]:
    """Return a function that makes parameters: data knobs by name, sections as dictionaries."""

    def make(sections: dict[str, Any] | None = None, **data: Any) -> params.Params:
        tree = params.merge(CHECKOUT / "params.yaml", [], [])
        sources = {"products": [{"path": "in/products.csv"}], "events": [{"path": "in/events.csv"}]}
        standard = {"simulated": False, "as_of": "2026-03-01T00:00:00Z", "threads": 1, "max_bad_share": 1.0}
        tree["data"] |= {"sources": sources, **standard, **data}
        for name, section in (sections or {}).items():
            tree[name] |= section
        return params.check(yaml.safe_load(yaml.safe_dump(tree)), "test")

    return make


@pytest.fixture
def ingest(tmp_path: Path, settings: Callable[..., params.Params]) -> Callable[..., Ingested]:
    """Return a function that writes files below tmp_path and takes a snapshot of them."""

    def run(files: dict[str, bytes], **data: Any) -> Ingested:
        write(tmp_path, {"in/products.csv": PRODUCTS, **files})
        (tmp_path / "data/snapshot").mkdir(parents=True, exist_ok=True)
        chosen = settings(**data).data
        rules = take_snapshot(chosen, tmp_path, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
        return Ingested(tmp_path, rules)

    return run


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
