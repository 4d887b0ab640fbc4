"""Exposures of replicas: rows of their common database, then files of one folder; each list once, no deleted user."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from components.serving.metrics import ServiceMetrics
from components.serving.storage import exposure_table as module
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.event_store import EventStore, StoreError
from components.serving.storage.exposure_table import add_exposures, collect_exposures
from components.serving.storage.exposures import Exposure, ExposureLog
from components.serving.storage.open_event_store import open_event_store
from components.times import DAY_US, now_micros

from .test_exposures import read

Replica = Callable[[str], EventStore]


@pytest.fixture
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replica]:
    """Return a function that opens the common database as the replica with this folder does."""
    url, stores = request.getfixturevalue("postgres").create_database(), list[EventStore]()

    def open_it(name: str) -> EventStore:
        stores.append(open_event_store(url, tmp_path / name / "serving", "shop", secret="s" * 32))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


def shown(user: str | None, request: str, at: int = 10**15) -> Exposure:
    return Exposure(user, ["i1", "i2"], at, None, request, "/recommend", 3, None, None, (None, "pin"))


def users(folder: Path) -> list[str | None]:
    return [row["user_id"] for row in read(folder) if row["position"] == 1]


def test_lists_of_all_replicas_reach_the_files_of_one_machine(replica: Replica, tmp_path: Path) -> None:
    first, second, folder = replica("first"), replica("second"), tmp_path / "shown"
    add_exposures(first, [shown("ann", "a"), shown(None, "b")])
    add_exposures(second, [shown("b\0b", "c", 10**15 - 1), shown("汉", "d")])
    assert collect_exposures(first, folder) == 4
    rows = read(folder)
    assert [(row["request_id"], row["position"], row["rule"]) for row in rows[:2]] == [("c", 1, None), ("c", 2, "pin")]
    assert sorted(map(str, users(folder))) == ["None", "ann", "b\0b", "汉"]
    assert collect_exposures(second, folder) == 0
    assert len(read(folder)) == 8


def test_a_list_that_is_stored_again_counts_once(replica: Replica, tmp_path: Path) -> None:
    store = replica("first")
    for _ in range(2):
        add_exposures(store, [shown("ann", "a"), shown("ann", "b")])
    assert collect_exposures(store, tmp_path / "shown") == 2


def test_files_are_bounded(replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTS_PER_FILE", 2)
    store = replica("first")
    add_exposures(store, [shown("ann", str(n)) for n in range(5)])
    assert collect_exposures(store, tmp_path / "shown") == 5
    assert len(list((tmp_path / "shown").glob("*.parquet"))) == 3


def test_a_call_that_ended_before_it_removed_the_rows_is_completed(
    replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = replica("first"), tmp_path / "shown"
    add_exposures(store, [shown("ann", "a")])
    with monkeypatch.context() as patch:
        patch.setattr(module, "DELETE_LISTS", "DELETE FROM nowhere WHERE file = ?")
        with pytest.raises(StoreError):
            collect_exposures(store, folder)
    add_exposures(store, [shown("bob", "b", 10**14)])  # older than the list in the file
    assert users(folder) == ["ann"]
    assert collect_exposures(store, folder) == 2
    assert sorted(users(folder)) == ["ann", "bob"]  # type: ignore[type-var]


def test_deleted_users_leave_table_and_files(replica: Replica, tmp_path: Path) -> None:
    first, second, folder = replica("first"), replica("second"), tmp_path / "shown"
    add_exposures(first, [shown("ann", "a"), shown("bob", "b")])
    first.delete_user("ann")
    ErasureLog(first, tmp_path / "own").apply()
    assert first.query("SELECT count(*) FROM exposure_lists") == [(1,)]
    add_exposures(second, [shown("ann", "late")])  # by a replica that does not know it yet
    assert collect_exposures(second, folder) == 1
    assert users(folder) == ["bob"]
    second.delete_user("bob")
    collect_exposures(second, folder)
    assert not users(folder)


def test_lists_that_nobody_collects_are_pruned_with_old_events(replica: Replica) -> None:
    store, now = replica("first"), now_micros()
    add_exposures(store, [shown("ann", "old", now - 31 * DAY_US), shown("ann", "new", now - 29 * DAY_US)])
    store.prune(30, now, 1.0)
    assert store.query("SELECT count(*) FROM exposure_lists") == [(1,)]


def test_the_log_of_a_replica_writes_to_the_database(replica: Replica, tmp_path: Path) -> None:
    store, folder = replica("first"), tmp_path / "own"
    log = ExposureLog(folder, 5, 60, 100, ServiceMetrics(), write_shared=partial(add_exposures, store))
    log.start()
    log.add(shown("ann", "a"))
    log.stop()
    assert not read(folder)
    assert store.query("SELECT count(*) FROM exposure_lists") == [(1,)]


def test_where_the_database_is_away_at_the_stop_lists_stay_on_the_machine(tmp_path: Path) -> None:
    def refuse(_: object) -> None:
        raise StoreError("away")

    log = ExposureLog(tmp_path, 5, 60, 100, ServiceMetrics(), write_shared=refuse)
    log.start()
    log.add(shown("ann", "a"))
    log.stop()
    assert users(tmp_path) == ["ann"]


def test_a_store_on_this_machine_has_nothing_to_collect(tmp_path: Path) -> None:
    store = open_event_store(None, tmp_path / "serving", "shop")
    assert collect_exposures(store, tmp_path / "serving/exposures") == 0
    store.close()
