"""A snapshot is imported once, without impressions and anonymous events, and never for deleted users."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.import_snapshot import import_snapshot
from components.times import to_micros

START = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot(folder: Path, users: list[str | None], event: str = "view") -> Path:
    n = len(users)
    table = pa.table(
        {
            "user_id": pa.array(users, pa.string()),
            "item_id": [f"i{k}" for k in range(n)],
            "timestamp": pa.array([START + timedelta(hours=k) for k in range(n)], pa.timestamp("us", "UTC")),
            "event": [event] * n,
            "quantity": pa.array([1] * n, pa.int64()),
            "price": pa.array([None] * n, pa.float64()),
            "session_id": pa.array(["s"] * n, pa.string()),
            "position": pa.array([None] * n, pa.int64()),
        }
    )
    part = folder / "events/month=2026-01"
    part.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, part / f"{event}.parquet")
    return folder


def test_a_snapshot_is_imported_once_without_impressions_and_anonymous_events(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "state.db")
    assert import_snapshot(store, tmp_path / "nowhere") == 0
    shop = snapshot(tmp_path / "shop", ["ann", None, "bob", "ann"])
    snapshot(shop, ["ann", "cid"], "impression")
    assert import_snapshot(store, shop) == 3
    assert [(e.item_id, e.event, e.quantity) for e in store.history("ann", 9)] == [("i0", "view", 1), ("i3", "view", 1)]
    assert store.history("ann", 9)[0].at == to_micros(START)
    assert store.find_users("", 9) == ["ann", "bob"]
    assert import_snapshot(store, shop) == 0
    snapshot(shop, ["ann"], "purchase")
    assert import_snapshot(store, shop) == 1
    store.close()


def test_a_deleted_user_stays_deleted(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "state.db")
    shop = snapshot(tmp_path / "shop", ["ann", "bob"])
    import_snapshot(store, shop)
    store.delete_user("ann")
    snapshot(shop, ["ann", "bob"], "purchase")
    import_snapshot(store, shop)
    assert store.find_users("", 9) == ["bob"]
    assert len(store.history("bob", 9)) == 2
    store.close()
