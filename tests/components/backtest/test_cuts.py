"""A snapshot as of an earlier moment."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.backtest.cuts import cut_snapshot
from components.data.partitions import read_table
from components.data.snapshot import read_snapshot_info
from components.errors import ContractError
from tests.components.backtest.support import make_snapshot

PRODUCTS = """item_id,title,price,timestamp
old,Old,1,2026-01-01
renamed,New name,2,2026-03-01
later,Later,3,2026-03-01
timeless,No time,4,
"""
EVENTS = """user_id,item_id,timestamp,event
a,old,2026-01-05 10:00:00,purchase
b,renamed,2026-02-01 00:00:00,purchase
b,old,2026-02-01 00:00:00,view
a,renamed,2026-02-09 23:59:59.999999,purchase
a,later,2026-03-02 10:00:00,purchase
a,old,2026-02-10 00:00:00,purchase
"""
AS_OF = datetime(2026, 2, 10, tzinfo=UTC)


def test_rows_at_or_after_the_moment_are_left_out(tmp_path: Path) -> None:
    cut_snapshot(make_snapshot(tmp_path, PRODUCTS, EVENTS), tmp_path / "cut", AS_OF, None, 1.0)
    events = read_table(tmp_path / "cut", "events", ("item_id", "event")).to_pylist()
    assert [(row["item_id"], row["event"]) for row in events] == [
        ("old", "purchase"),
        ("renamed", "purchase"),  # equal times stay in the order of the source
        ("old", "view"),
        ("renamed", "purchase"),
    ]
    assert read_snapshot_info(tmp_path / "cut").as_of == AS_OF.isoformat()


def test_products_are_those_that_the_shop_had_then(tmp_path: Path) -> None:
    cut_snapshot(make_snapshot(tmp_path, PRODUCTS, EVENTS), tmp_path / "cut", AS_OF, None, 1.0)
    products = read_table(tmp_path / "cut", "products", ("item_id", "timestamp")).to_pylist()
    assert {row["item_id"]: row["timestamp"] and f"{row['timestamp']:%m-%d}" for row in products} == {
        "old": "01-01",
        "renamed": None,  # its newest version is later, but it was sold before
        "timeless": None,
    }


def test_the_same_cut_has_the_same_bytes(snapshot: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        cut_snapshot(snapshot, tmp_path / name, AS_OF, "permuted", 1.0)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert [str(file) for file in files] == ["events/part-0.parquet", "products/part-0.parquet", "snapshot.json"]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_a_moment_after_the_snapshot_is_refused(snapshot: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="was taken as of 2026-04-23 00:00; a backtest as of 2026-05-01"):
        cut_snapshot(snapshot, tmp_path / "cut", datetime(2026, 5, 1, tzinfo=UTC), None, 1.0)


def test_a_moment_before_the_first_event_is_refused(snapshot: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"events: none before .* set --from to a later date"):
        cut_snapshot(snapshot, tmp_path / "cut", datetime(2025, 1, 1, tzinfo=UTC), None, 1.0)
