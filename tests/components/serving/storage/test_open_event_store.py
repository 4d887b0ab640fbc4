"""A file without an address, a database with one, and what to do without its driver."""

import sys
from pathlib import Path

import pytest

from components.errors import ContractError
from components.params import Params
from components.serving.storage import open_event_store as open_store
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.event_store_postgres import PostgresEventStore
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.open_event_store import open_event_store, prepare_event_store
from components.settings import Settings
from components.times import DAY_US, now_micros


def test_an_address_decides_between_file_and_database(tmp_path: Path) -> None:
    file = open_event_store(None, tmp_path / "serving", "shop")
    database = open_event_store("postgresql://127.0.0.1:1/none", tmp_path, "shop")
    assert isinstance(file, SqliteEventStore)
    assert (tmp_path / "serving/state.db").is_file()
    assert isinstance(database, PostgresEventStore)
    file.close()
    database.close()


def test_the_error_without_the_driver_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "components.serving.storage.event_store_postgres")
    monkeypatch.delitem(sys.modules, "components.serving.storage.postgres_connections")
    with pytest.raises(ContractError, match=r"pip install .*\[servers\]"):
        open_event_store("postgresql://127.0.0.1:1/none", tmp_path, "shop")


def test_a_start_with_a_wrong_clock_removes_no_history(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings, now = Settings(home=tmp_path).resolved(tmp_path), now_micros()
    folder = settings.shop(params.release.name) / "serving"
    old = now - (params.serving.event_retention_days + 1) * DAY_US
    store = open_event_store(None, folder, params.release.name)
    store.put([StoredEvent(f"u{n}", now - n, "sku-1", "view") for n in range(50)]).result()
    store.put([StoredEvent("ann", at, "sku-1", "view") for at in (old, now + 20_000 * DAY_US)]).result()
    prepare_event_store(settings, params, None).close()
    assert (len(store.find_users("", 99)), len(store.history("ann", 9))) == (51, 1)  # the event of 55 years ahead stays
    monkeypatch.setattr(open_store, "now_micros", lambda: now + 20_000 * DAY_US)
    prepare_event_store(settings, params, None).close()
    assert len(store.find_users("", 99)) == 51
    assert "50 of 51 events are older than serving.event_retention_days" in caplog.text
    store.close()
