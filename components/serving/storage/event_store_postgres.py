"""The store that replicas on several machines share: PostgreSQL, a connection for each thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from components.errors import ContractError
from components.serving.storage.event_store import (
    INSERT,
    N_VERSION_SLOTS,
    EventStore,
    Row,
    StoreError,
    T,
    hash_user,
    version_slots,
)

log = logging.getLogger("serving")
CONNECT_S = 2  # longest wait for a connection
UNHEARD_MS = 5000  # a connection on which nothing arrives for so long is lost; a lock is not waited for longer
AWAY_S = 1.0  # after a failed connection nobody tries again for so long: requests are answered without the store
SCHEMA_LOCK = 7_140_117  # of two processes that start at once, one makes the tables
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, key BYTEA NOT NULL, item_id TEXT NOT NULL,
    event TEXT NOT NULL, quantity DOUBLE PRECISION, price DOUBLE PRECISION, session_id TEXT, position INTEGER,
    request_id TEXT, PRIMARY KEY (user_id, at, key));
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity DOUBLE PRECISION NOT NULL, at BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (slot INTEGER PRIMARY KEY, mark BIGINT NOT NULL);
"""
# the marks change in the transaction that changes the histories: who sees the one sees the other
MARKED = "INSERT INTO marks VALUES {} ON CONFLICT (slot) DO UPDATE SET mark = marks.mark + 1"


class PostgresEventStore(EventStore):
    """The database. One belongs to one shop."""

    is_local = False

    def __init__(self, url: str, shop: str) -> None:
        """url: as libpq reads it. Nothing is asked yet: a service starts, and answers, while the database is away."""
        try:
            import psycopg2
        except ImportError:
            raise ContractError(
                "CAROUSEL_STATE_URL names a PostgreSQL database, but psycopg2 is not installed: pip install "
                "-c constraints.txt -e '.[servers]'"
            ) from None
        self._driver, self._lost = psycopg2, (psycopg2.OperationalError, psycopg2.InterfaceError)
        self._url, self._shop = url, shop
        self._mine = threading.local()
        self._making = threading.Lock()
        self._made = False
        self._away = 0.0  # nobody connects before this time (monotonic)
        super().__init__()

    def history_version(self, user_id: str) -> int:
        """See EventStore."""
        rows = self._rows("SELECT mark FROM marks WHERE slot = ?", hash_user(user_id) % N_VERSION_SLOTS)
        return int(rows[0][0]) if rows else 0

    def delete_user(self, user_id: str) -> int:
        """See EventStore."""
        return 0 if "\0" in user_id else super().delete_user(user_id)

    def _rows(self, sql: str, *values: Any) -> list[Row]:
        if any(isinstance(value, str) and "\0" in value for value in values):  # no text here holds it
            return []

        def work(connection: Any) -> list[Row]:
            with connection.cursor() as cursor:
                cursor.execute(_translated(sql), values)
                rows: list[Row] = cursor.fetchall()
                return rows

        return self._tried(work)

    def _change(self, work: Callable[[Any], T], users: Iterable[str] = ()) -> T:
        marked = [(slot, 1) for slot in version_slots(users)]

        def whole(connection: Any) -> T:
            with connection, connection.cursor() as cursor:
                found = work(_Database(cursor))
                self._many(_Database(cursor), MARKED, marked)
                return found

        return self._tried(whole)

    def _many(self, database: Any, sql: str, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        from psycopg2.extras import execute_values

        execute_values(database.cursor, sql.format("%s"), rows, page_size=len(rows))
        return int(database.cursor.rowcount)

    def _commit(self, parts: list[list[Row]]) -> list[int]:
        """See EventStore; rows are sorted by key, so that two writers of the same rows take locks in one order."""
        from psycopg2.extras import execute_values

        rows = sorted({row[:3]: row for row in chain(*parts)}.values(), key=lambda row: row[:3])
        sql = INSERT.format("%s") + " RETURNING user_id, at, key"

        def work(database: Any) -> set[Row]:
            new = execute_values(database.cursor, sql, rows, page_size=max(len(rows), 1), fetch=True) if rows else []
            return {(user_id, at, bytes(key)) for user_id, at, key in new}

        new, counts = self._change(work, (str(row[0]) for row in rows)), []
        for part in parts:  # what stands in two parts is new in the first
            mine = new & {row[:3] for row in part}
            counts.append(len(mine))
            new -= mine
        return counts

    def _tried(self, work: Callable[[Any], T]) -> T:
        """Return what work gives; it is tried once more where the connection was lost or two waited for each other."""
        for last in (False, True):
            connection = self._connection()
            try:
                return work(connection)
            except self._lost as error:
                self._mine.connection = None
                connection.close()
                if last:
                    raise self._failed(error) from error
            except self._driver.Error as error:  # such as a full disk
                raise self._failed(error) from error
        raise AssertionError("not reached")

    def _connection(self) -> Any:
        """Return this thread's connection."""
        held = getattr(self._mine, "connection", None)
        if held is not None:
            return held
        if time.monotonic() < self._away:
            raise StoreError("the database of CAROUSEL_STATE_URL could not be reached a moment ago")
        try:
            connection = self._driver.connect(
                self._url,
                connect_timeout=CONNECT_S,
                tcp_user_timeout=UNHEARD_MS,
                options=f"-c lock_timeout={UNHEARD_MS}",
                application_name="carousel",
            )
            connection.autocommit = True  # a read is one trip; what changes something opens a transaction itself
            self._prepare(connection)
        except self._driver.Error as error:
            self._away = time.monotonic() + AWAY_S
            raise self._failed(error) from error
        self._mine.connection = connection
        return connection

    def _prepare(self, connection: Any) -> None:
        """Make the tables where they are missing; raises ContractError for the database of another shop."""
        with self._making:
            if self._made:
                return
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                cursor.execute("SELECT to_regclass('marks') IS NULL")
                if cursor.fetchone()[0]:
                    cursor.execute(SCHEMA)
                cursor.execute("INSERT INTO told VALUES ('shop', %s) ON CONFLICT DO NOTHING", (self._shop,))
                cursor.execute("SELECT value FROM told WHERE name = 'shop'")
                (shop,) = cursor.fetchone()
            if shop != self._shop:
                raise ContractError(
                    f"CAROUSEL_STATE_URL: expected the database of the shop {self._shop!r} (release.name), it belongs "
                    f"to {shop!r}; give each shop a database"
                )
            self._made = True

    @staticmethod
    def _failed(error: Exception) -> StoreError:
        return StoreError(f"the database of CAROUSEL_STATE_URL: {str(error).strip()}")


class _Database:
    """A cursor that takes `?` for a value, as the statements of `state` have it."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        self.cursor.execute(_translated(sql), values)
        return self.cursor


def _translated(sql: str) -> str:
    return sql.replace("?", "%s")
