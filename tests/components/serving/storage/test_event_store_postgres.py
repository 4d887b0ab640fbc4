"""The database is lost and comes back: nothing acknowledged is lost, and the store works again by itself."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ContractError
from components.serving.storage.event_store import StoreError
from components.serving.storage.event_store_postgres import PostgresEventStore
from tests.components.serving.postgres import Postgres
from tests.components.serving.support import ROOT

from .support import WRITER, make_events, make_key, until_available


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Postgres]:
    """Return a server that the test may kill; it runs again afterwards."""
    yield postgres
    postgres.kill()
    postgres.start()


@pytest.fixture
def store(postgres: Postgres) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore(postgres.create_database(), "shop", 4, make_key)
    yield store
    store.close()


def test_lost_connections_are_replaced(store: PostgresEventStore, server: Postgres) -> None:
    store.put(make_events(1)).result()
    for n in range(2, 5):
        assert len(store.history("ann", 5)) == n - 1
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carousel'")
        assert len(store.history("ann", 5)) == n - 1
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'carousel'")
        assert store.put(make_events(n)).result() == 1


def test_a_killed_and_restarted_server_has_all_acknowledged_events(server: Postgres, tmp_path: Path) -> None:
    url = server.create_database()
    command = [sys.executable, "-c", WRITER, str(tmp_path), url, "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(200)]
        server.kill()
        acknowledged += [int(line) for line in process.stdout.read().split()]
        assert process.wait() != 0  # the event in flight got an error
    store = PostgresEventStore(url, "shop", 4, make_key)
    with pytest.raises(StoreError):
        store.history("u1", 5)
    server.start()
    users = until_available(lambda: store.find_users("", 100))
    stored = {e.at for user in users for e in store.history(user, 10**6)}
    assert set(acknowledged) <= stored
    assert store.put(make_events(1)).result() == 1
    store.close()


def test_a_database_belongs_to_one_shop(postgres: Postgres) -> None:
    url = postgres.create_database()
    one, other = PostgresEventStore(url, "one", 4, make_key), PostgresEventStore(url, "other", 4, make_key)
    one.put(make_events(1)).result()
    with pytest.raises(ContractError, match="it belongs to 'one'; give each shop a database"):
        other.history("ann", 5)
    with pytest.raises(ContractError, match="give each shop a database"):
        other.put(make_events(2)).result()
    one.close()
    other.close()


def test_ids_with_nul_are_unknown_users(store: PostgresEventStore) -> None:
    assert store.history("a\0b", 5) == []
    assert (store.history_version("a\0b"), store.find_users("\0", 5), store.delete_user("a\0b")) == (0, [], 0)
    assert store.put(make_events(1)).result() == 1
