"""The embedded store: one file, readers beside one writer, for all processes of a machine (SQLite in WAL mode)."""

from __future__ import annotations

import fcntl
import mmap
import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from components.errors import ContractError
from components.serving.storage.event_store import (
    BUSY_S,
    INSERT,
    N_VERSION_SLOTS,
    EventStore,
    Row,
    StoreError,
    T,
    hash_user,
    version_slots,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at INTEGER NOT NULL, key BLOB NOT NULL, item_id TEXT NOT NULL, event TEXT NOT NULL,
    quantity REAL, price REAL, session_id TEXT, position INTEGER, request_id TEXT,
    PRIMARY KEY (user_id, at, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity REAL NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class SqliteEventStore(EventStore):
    """The file, with the users' marks beside it."""

    is_local = True

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises ContractError where it is no database of this kind, or cannot be written."""
        self.path = path
        self._mine = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database().executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise ContractError(
                f"{path}: expected the service's store of events, got {error}; move the file away, or set CAROUSEL_HOME"
            ) from None
        self._turn = path.with_name(f"{path.name}-turn")
        self._marks = _shared(path.with_name(f"{path.name}-marks"))
        super().__init__()

    def history_version(self, user_id: str) -> int:
        """See EventStore; the marks are memory that the processes share."""
        return self._marks[hash_user(user_id) % N_VERSION_SLOTS]

    def _rows(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._database().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _change(self, work: Callable[[Any], T], users: Iterable[str] = ()) -> T:
        # one process at a time: who waits for SQLite's own lock sleeps and tries again, which takes far longer
        try:
            with self._turn.open("ab") as turn, self._database() as database:
                fcntl.flock(turn, fcntl.LOCK_EX)
                database.execute("BEGIN IMMEDIATE")
                found = work(database)
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error
        for slot in version_slots(users):  # random, not + 1: two processes that write at once must not undo each other
            self._marks[slot] = random.getrandbits(64)
        return found

    def _many(self, database: Any, sql: str, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        values = f"({', '.join('?' * len(rows[0]))})"
        return max(int(database.executemany(sql.format(values), rows).rowcount), 0)

    def _commit(self, parts: list[list[Row]]) -> list[int]:
        users = (str(row[0]) for rows in parts for row in rows)
        return self._change(lambda database: [self._many(database, INSERT, rows) for rows in parts], users)

    def _database(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        database: sqlite3.Connection | None = getattr(self._mine, "database", None)
        if database is None:
            database = sqlite3.connect(self.path, timeout=BUSY_S)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
            self._mine.database = database
        return database

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(f"{self.path}: {error}; see that the disk has room and that nobody else holds the file")


def _shared(path: Path) -> memoryview:
    """Return N_VERSION_SLOTS numbers of 64 bits that the processes of this machine share."""
    with path.open("a+b") as file:
        if file.seek(0, 2) != 8 * N_VERSION_SLOTS:
            file.truncate(8 * N_VERSION_SLOTS)
        return memoryview(mmap.mmap(file.fileno(), 8 * N_VERSION_SLOTS)).cast("Q")
