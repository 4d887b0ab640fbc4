"""A file without an address, a database with one, and what to do without its driver."""

import sys
from pathlib import Path

import pytest

from components.errors import ContractError
from components.serving.storage.event_store_postgres import PostgresEventStore
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.serving.storage.open_event_store import open_event_store


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
