"""Connections while the database is down, deadlocked or busy: calls fail at once, with later attempts."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from components.serving.storage import postgres_connections as module
from components.serving.storage.event_store import StoreError
from components.serving.storage.event_store_postgres import PostgresEventStore
from components.serving.storage.postgres_connections import AWAY_S, Connection, PostgresConnections
from tests.components.serving.postgres import Postgres

from .support import make_events, make_key

NO_SERVER = "postgresql://postgres@127.0.0.1:1/none"


def select(sql: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(sql.encode()).fetchall()


def test_while_the_database_is_away_calls_fail_without_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    now, attempts, connect = 100.0, [], psycopg.connect

    def count_attempts(url: str, **options: Any) -> Any:
        attempts.append(now)
        return connect(url, **options)

    monkeypatch.setattr(module.psycopg, "connect", count_attempts)
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    store = PostgresEventStore(NO_SERVER, "shop", 4, make_key)
    assert attempts == []
    with pytest.raises(StoreError, match="CAROUSEL_EVENT_STORE_URL"):
        store.history("ann", 5)
    for _ in range(100):
        with pytest.raises(StoreError, match="a moment ago"):
            store.history_version("ann")
    with pytest.raises(StoreError, match="a moment ago"):
        store.put(make_events(1)).result()
    assert attempts == [100.0]
    now += AWAY_S
    with pytest.raises(StoreError, match="refused"):
        store.history_version("ann")
    assert attempts == [100.0, 101.0]
    store.close()


def test_two_transactions_that_wait_for_each_other_both_succeed(postgres: Postgres) -> None:
    connections = PostgresConnections(postgres.create_database(), "shop", 4)
    connections.run(select("INSERT INTO metadata VALUES ('a', ''), ('b', '') RETURNING name"))
    both_hold_one, results = Barrier(2), list[str]()

    def change(names: tuple[str, str]) -> None:
        rounds = 0

        def work(connection: Connection) -> None:
            nonlocal rounds
            rounds += 1
            with connection.transaction():
                for name in names:
                    connection.execute("UPDATE metadata SET value = value || 'x' WHERE name = %s", (name,))
                    if rounds == 1 and name == names[0]:
                        both_hold_one.wait()

        connections.run(work)
        results.append(names[0])

    threads = [Thread(target=change, args=(names,)) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["a", "b"]
    assert connections.run(select("SELECT value FROM metadata WHERE name IN ('a', 'b')")) == [("xx",), ("xx",)]
    connections.close()


def test_connections_are_bounded_and_reused(postgres: Postgres) -> None:
    connections = PostgresConnections(postgres.create_database(), "shop", 2)
    ours = "application_name = 'carousel' AND datname = current_database()"
    sql = f"SELECT pg_backend_pid(), count(*) FROM pg_stat_activity WHERE {ours}"
    found = list[Any]()
    threads = [Thread(target=lambda: found.extend(connections.run(select(sql)) for _ in range(20))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 120
    assert len({pid for ((pid, _),) in found}) <= 2
    assert max(count for ((_, count),) in found) <= 3  # and the one that tested the database
    connections.close()


def test_no_free_connection_is_an_error_of_the_store(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = PostgresConnections(postgres.create_database(), "shop", 1)
    connections.run(select("SELECT 1"))
    monkeypatch.setattr(connections._pool, "timeout", 0.01)

    def hold(_: Connection) -> None:
        connections.run(select("SELECT 2"))

    with pytest.raises(StoreError, match="couldn't get a connection"):
        connections.run(hold)
    assert connections.run(select("SELECT 3")) == [(3,)]
    assert isinstance(connections._pool, ConnectionPool)
    connections.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:Tr0ub4dor@127.0.0.1:1/x",
        "postgresql://ann:Tr0ub4dor/et@127.0.0.1:1/x",  # read as the port of a host `ann`
        "postgresql://ann:Tr0ub4dor%zz@127.0.0.1:1/x",
        "host=127.0.0.1 port=1 user=ann password=Tr0ub4dor nonsense",
        "Tr0ub4dor",
    ],
)
def test_no_password_of_the_database_is_in_errors_and_log(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", url)
    store = PostgresEventStore(url, "shop", 4, make_key)
    with pytest.raises(StoreError) as caught:
        store.history("ann", 5)
    with pytest.raises(StoreError):
        store.put(make_events(1)).result()
    store.close()
    assert "CAROUSEL_EVENT_STORE_URL" in str(caught.value)
    assert "Tr0ub4dor" not in str(caught.value) + caplog.text
