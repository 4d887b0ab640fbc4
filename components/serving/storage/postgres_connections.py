"""Connections to the PostgreSQL database of the event store: a pool that fails at once while the database is down."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from components.errors import ContractError
from components.serving.storage.ad_tables import AD_TABLES, LAST_AD_TABLE
from components.serving.storage.event_store import StoreError

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
CONNECT_S = 2  # longest wait for a connection, new or from the pool
MAX_ATTEMPTS, MAX_DEADLOCKS = 2, 5  # of one call
MAX_PAUSE_S = 0.05  # before a call that was deadlocked runs again
AWAY_S = 1.0  # after a failed connection, calls fail without a new attempt for this long
OPTIONS = {
    "autocommit": True,  # a read is one round trip; writes open a transaction
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": 5000,  # ms without an acknowledgement from the server, until a connection counts as lost
    "options": "-c lock_timeout=5000",  # ms
    "application_name": "carousel",
}
SCHEMA_LOCK = 7_140_117  # advisory lock: only one of several starting processes creates the tables
RENAMES_FROM_0_1 = """
ALTER TABLE told RENAME TO metadata;
ALTER TABLE marks RENAME TO history_versions;
ALTER TABLE history_versions RENAME COLUMN mark TO version;
"""
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, key BYTEA NOT NULL, item_id TEXT NOT NULL,
    event TEXT NOT NULL, quantity DOUBLE PRECISION, price DOUBLE PRECISION, session_id TEXT, position INTEGER,
    request_id TEXT, consent TEXT, PRIMARY KEY (user_id, at, key));
ALTER TABLE events ADD COLUMN IF NOT EXISTS consent TEXT;
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity DOUBLE PRECISION NOT NULL, at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS metadata (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS history_versions (slot INTEGER PRIMARY KEY, version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS idempotency_keys (key BYTEA PRIMARY KEY, digest BYTEA NOT NULL, at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS exposure_lists (
    list_id TEXT PRIMARY KEY, at BIGINT NOT NULL, user_hash TEXT, content TEXT NOT NULL, file TEXT);
CREATE INDEX IF NOT EXISTS exposure_lists_of_user ON exposure_lists (user_hash);
"""


class PostgresConnections:
    """The pool of one process. No connection is made before the first call."""

    def __init__(self, url: str, shop: str, max_connections: int) -> None:
        """url: as libpq reads it. shop: the owner of the database, checked."""
        self._url, self._shop, self._max_connections = url, shop, max_connections
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None  # None: unknown whether the database can be reached
        self._is_prepared = False
        self._away_until = 0.0  # monotonic

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work` on a connection; `work` runs again where the first one was lost, or deadlocked.

        Raises StoreError where the database fails, ContractError where it belongs to another shop.
        """
        for attempt in count(1):
            pool, connection = self._open_pool(), None
            try:
                with pool.connection() as connection:
                    return work(connection)
            except PoolTimeout as error:
                raise self._error(error) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if connection is None or connection.closed:
                    self._discard(pool)
                is_deadlock = isinstance(error, psycopg.errors.DeadlockDetected)
                if attempt >= (MAX_DEADLOCKS if is_deadlock else MAX_ATTEMPTS):
                    raise self._error(error) from error
                if is_deadlock:  # the transactions that waited for each other must not meet again
                    time.sleep(random.uniform(0, MAX_PAUSE_S))
            except psycopg.Error as error:  # such as a full disk
                raise self._error(error) from error
        raise AssertionError("not reached")

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _open_pool(self) -> ConnectionPool[Connection]:
        """Return the pool; at first, and after a failure, one thread connects to test the database while others wait.

        The pool itself would let a request wait for CONNECT_S, even where the connection was refused at once.
        """
        with self._lock:
            if self._pool is None:
                if time.monotonic() < self._away_until:
                    raise self._error("could not be reached a moment ago")
                try:
                    with psycopg.connect(self._url, **OPTIONS) as connection:  # type: ignore[arg-type]
                        self._prepare(connection)
                except psycopg.Error as error:
                    self._away_until = time.monotonic() + AWAY_S
                    raise self._error(error) from error
                self._pool = ConnectionPool(
                    self._url,
                    kwargs=OPTIONS,
                    min_size=0,
                    max_size=self._max_connections,
                    timeout=CONNECT_S,
                    reconnect_timeout=0,
                    open=True,
                )
            return self._pool

    def _discard(self, pool: ConnectionPool[Connection]) -> None:
        """Close a pool after it lost a connection: the others are lost, too, or cheap to replace."""
        with self._lock:
            if self._pool is not pool:
                return
            self._pool = None
        pool.close(timeout=0.1)

    def _prepare(self, connection: Connection) -> None:
        """Make the tables, rename those of version 0.1, and check the shop; once per process."""
        if self._is_prepared:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            if not all(_has_table(connection, name) for name in ("idempotency_keys", "exposure_lists", LAST_AD_TABLE)):
                if _has_table(connection, "told"):
                    connection.execute(RENAMES_FROM_0_1)
                connection.execute(SCHEMA)
                for statement in AD_TABLES:
                    connection.execute(statement.encode())
            connection.execute("INSERT INTO metadata VALUES ('shop', %s) ON CONFLICT DO NOTHING", (self._shop,))
            rows = connection.execute("SELECT value FROM metadata WHERE name = 'shop'").fetchall()
        if rows != [(self._shop,)]:
            raise ContractError(
                f"CAROUSEL_EVENT_STORE_URL: expected the database of the shop {self._shop!r} (release.name), it "
                f"belongs to {rows[0][0]!r}; give each shop a database"
            )
        self._is_prepared = True

    @staticmethod
    def _error(reason: object) -> StoreError:
        if isinstance(reason, psycopg.Error) and reason.diag.message_primary:
            reason = reason.diag.message_primary  # its details may quote a row
        return StoreError(f"the database of CAROUSEL_EVENT_STORE_URL: {str(reason).strip()}")


def _has_table(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)
