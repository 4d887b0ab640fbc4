"""Deleted users leave no row and no byte: in files, in queues of all processes, in the log and free pages of SQLite."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.serving.metrics import ServiceMetrics
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.event_store import StoredEvent, StoreError
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.exposures import Exposure, ExposureLog, write_exposures
from components.serving.storage.open_event_store import open_event_store
from components.times import now_micros

from .support import make_events

USER = "ann-q7x9"


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def make_exposure(user: str | None, at: int, n: int = 2) -> Exposure:
    return Exposure(user, [f"i{p}" for p in range(n)], at, None, "r", "/recommend", 3, None, None)


def shown(folder: Path) -> list[tuple[str | None, int]]:
    columns = ["user_id", "timestamp"]
    tables = [pq.read_table(path, columns=columns) for path in sorted(folder.glob("*.parquet"))]
    return [(r["user_id"], round(r["timestamp"].timestamp() * 1e6)) for t in tables for r in t.to_pylist()]


def test_no_byte_of_a_deleted_user_is_in_the_store(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "serving/state.db")
    order = [*range(3000)]
    random.Random(7).shuffle(order)  # pages of the tree are split and merged in any order
    for start in range(0, 3000, 100):
        part = order[start : start + 100]
        store.put([StoredEvent(f"user-{n % 50}", n, f"i{n}", "view") for n in part]).result()
        store.put([StoredEvent(USER, n, f"i{n}", "view", session_id=f"session-{n}") for n in part]).result()
    assert files_with(tmp_path, USER)
    assert store.delete_user(USER) == 3000
    assert files_with(tmp_path, USER) == []
    assert (tmp_path / "serving/state.db-wal").stat().st_size == 0
    assert len(store.history("user-7", 9999)) == 60
    store.close()


def test_removed_old_events_leave_no_byte(tmp_path: Path) -> None:
    store, now = SqliteEventStore(tmp_path / "serving/state.db"), now_micros()
    store.put([StoredEvent(USER, n, "i", "view") for n in range(500)]).result()
    store.put(make_events(*range(now - 600, now), user="bob")).result()
    assert store.prune(1, now, 0.5) == 500
    assert store.delete_user(USER) == 0
    assert files_with(tmp_path, USER) == []
    store.close()


@pytest.mark.parametrize("how", ["at the first start", "at a deletion"])
def test_bytes_that_version_0_2_left_are_removed(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "serving"
    store = SqliteEventStore(folder / "state.db")
    store.put([StoredEvent(USER, n, "i", "view") for n in range(500)]).result()
    store.close()
    with closing(sqlite3.connect(folder / "state.db")) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("DELETE FROM events")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert files_with(folder, USER) == ["state.db"]
    store = SqliteEventStore(folder / "state.db")
    store.prepare_erasures() if how == "at the first start" else store.delete_user(USER)
    assert files_with(folder, USER) == []
    store.close()


def test_a_copy_of_the_folder_does_not_tell_who_was_deleted(tmp_path: Path) -> None:
    from components.tombstones import unkeyed_tombstone

    store = open_event_store(None, tmp_path / "serving", "shop")
    store.delete_user(USER)
    assert store.tombstones() == {store.tombstone_of(USER)}
    copied = b"".join(path.read_bytes() for path in (tmp_path / "serving").iterdir())
    key = (tmp_path / "erasure.key").read_bytes()
    assert unkeyed_tombstone(USER).encode() not in copied
    assert key not in copied
    store.close()


@pytest.mark.parametrize("kind", ["file", "database"])
def test_tombstones_of_version_0_2_get_a_key(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from components.tombstones import unkeyed_tombstone

    url = request.getfixturevalue("postgres").create_database() if kind == "database" else None
    store = open_event_store(url, tmp_path / "serving", "shop")
    store.set_meta(f"forgotten/{unkeyed_tombstone(USER)}", "")
    assert store.tombstones() == {store.tombstone_of(USER)}  # also before a start has replaced it
    store.prepare_erasures()
    assert store.tombstones() == {store.tombstone_of(USER)}
    assert store.get_meta(f"forgotten/{unkeyed_tombstone(USER)}") is None
    assert now_micros() - store.erasures()[store.tombstone_of(USER)] < 60_000_000
    if url is None:
        assert files_with(tmp_path / "serving", unkeyed_tombstone(USER)) == []
    store.close()
    other = open_event_store(url, tmp_path / "serving", "shop", secret="another key " * 4)
    with pytest.raises(ContractError, match="1 deleted users were made with another key; set CAROUSEL_ERASURE_KEY"):
        other.prepare_erasures()
    other.close()


def test_exposures_of_a_deleted_user_are_removed_from_files_and_later_ones_stay(tmp_path: Path) -> None:
    store, folder = SqliteEventStore(tmp_path / "serving/state.db"), tmp_path / "serving/exposures"
    now = now_micros()
    write_exposures(folder / "1-a.parquet", [make_exposure(USER, now - 5), make_exposure("bob", now - 4)])
    write_exposures(folder / "2-b.parquet", [make_exposure(USER, now - 3)])
    write_exposures(folder / "3-c.parquet", [make_exposure("bob", now - 2), make_exposure(None, now - 1)])
    untouched = (folder / "3-c.parquet").stat().st_ino
    erasures = ErasureLog(store, folder)
    store.delete_user(USER)
    erasures.apply()
    assert files_with(tmp_path, USER) == []
    assert shown(folder) == [("bob", now - 4)] * 2 + [("bob", now - 2)] * 2 + [(None, now - 1)] * 2
    assert (folder / "3-c.parquet").stat().st_ino == untouched
    later = now_micros() + 1_000_000
    write_exposures(folder / "4-d.parquet", [make_exposure(USER, later)])  # the user came back
    ErasureLog(store, folder).apply()
    assert (USER, later) in shown(folder)
    store.delete_user("bob")
    erasures.apply()
    assert {user for user, _ in shown(folder)} == {None, USER}
    store.close()


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, folder = SqliteEventStore(tmp_path / "state.db"), tmp_path / "exposures"
    folder.mkdir()
    (folder / "0-broken.parquet").write_bytes(b"PAR1 cut")
    write_exposures(folder / "1-a.parquet", [make_exposure(USER, 5)])
    store.delete_user(USER)
    ErasureLog(store, folder).apply()
    assert [path.name for path in folder.glob("*.parquet")] == ["0-broken.parquet"]
    assert "0-broken.parquet cannot be read" in caplog.text
    assert USER not in caplog.text
    store.close()


def test_lists_that_wait_in_another_process_are_not_written(tmp_path: Path) -> None:
    folder, stores, logs = tmp_path / "exposures", [], []
    for _ in range(2):  # as two processes have them
        stores.append(SqliteEventStore(tmp_path / "state.db"))
        logs.append(ExposureLog(folder, 1000, 60, 1000, ServiceMetrics(), ErasureLog(stores[-1], folder)))
        logs[-1].add(make_exposure(USER, now_micros()))
        logs[-1].add(make_exposure("bob", 7))
    stores[0].delete_user(USER)
    for log in logs:
        log.start()
        log.stop()
    assert shown(folder) == [("bob", 7)] * 4
    assert logs[1].metrics.registry.get_sample_value("carousel_exposures_total") == 2
    for store in stores:
        store.close()


def test_while_the_store_is_away_lists_wait_and_the_last_are_looked_at_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = SqliteEventStore(tmp_path / "state.db"), tmp_path / "exposures"
    store.delete_user(USER)
    erasures = ErasureLog(store, folder)
    erasures.apply()
    log = ExposureLog(folder, 1000, 60, 1000, ServiceMetrics(), ErasureLog(store, folder))

    def fail() -> None:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "erasure_stamp", fail)
        log.add(make_exposure(USER, 5))
        assert log._flush() is False
        assert not list(folder.glob("*.parquet"))
        log.start()
        log.stop()
    assert len(shown(folder)) == 2
    ErasureLog(store, folder).apply()
    assert shown(folder) == []
    store.close()


def test_files_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "serving"
    folder.mkdir(mode=0o755)
    (folder / "state.db").touch(0o644)
    store = SqliteEventStore(folder / "state.db")
    store.put(make_events(1)).result()
    store.delete_user("bob")
    write_exposures(folder / "exposures/1-a.parquet", [make_exposure("ann", 5)])
    (folder / "exposures/1-a.parquet").chmod(0o644)
    log = ExposureLog(folder / "exposures", 1000, 60, 1000, ServiceMetrics(), ErasureLog(store, folder / "exposures"))
    log.add(make_exposure("bob", now_micros()))
    log.start()
    log.stop()
    modes = {path.name: path.stat().st_mode & 0o077 for path in [folder, tmp_path / "erasure.key", *folder.rglob("*")]}
    assert len(modes) > 8
    assert {name: bits for name, bits in modes.items() if bits} == {}
    store.close()
