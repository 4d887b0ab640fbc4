"""The embedded store: one SQLite file in WAL mode, with many readers and one writer, for all processes of a machine."""

from __future__ import annotations

import fcntl
import mmap
import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from components import tombstones
from components.errors import ContractError
from components.privacy.consent import COLUMN
from components.private import make_folder, private_opener, restrict
from components.serving.storage.ad_tables import AD_TABLES, LAST_AD_TABLE
from components.serving.storage.commit_queue import Batch, Row
from components.serving.storage.event_store import EventStore, StoreError, T
from components.serving.storage.idempotency import Claim, KeyReusedError, judge_claims
from components.serving.storage.transactions import Transaction
from components.serving.storage.user_hash import N_VERSION_SLOTS, version_slot, version_slots

BUSY_S = 10.0  # longest wait for another process that writes
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at INTEGER NOT NULL, key BLOB NOT NULL, item_id TEXT NOT NULL, event TEXT NOT NULL,
    quantity REAL, price REAL, session_id TEXT, position INTEGER, request_id TEXT, consent TEXT,
    PRIMARY KEY (user_id, at, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS stock (
    item_id TEXT PRIMARY KEY, quantity REAL NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS metadata (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS idempotency_keys (
    key BLOB PRIMARY KEY, digest BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID""",
    *AD_TABLES,
)
INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
INSERT_KEY = "INSERT INTO idempotency_keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class SqliteEventStore(EventStore):
    """The file; beside it the history versions (shared memory), and the lock of the writers."""

    is_local = True

    def __init__(self, path: Path, load_key: Callable[[], bytes] | None = None) -> None:
        """Open or make the file. Raises ContractError where it is no event store, or cannot be written.

        load_key: see EventStore; None: from a file beside the folder, so that a copy of the folder does not contain it.
        """
        self.path = path
        self._thread = threading.local()
        self._lock_path = path.with_name(f"{path.name}-lock")
        versions = path.with_name(f"{path.name}-versions")
        try:
            self._make_private(versions)
            is_complete = {"idempotency_keys", LAST_AD_TABLE} <= self._tables() and self._has_consent()
            if not versions.exists() or not is_complete:
                self._prepare(versions)
        except (sqlite3.Error, OSError) as error:
            raise ContractError(
                f"{path}: expected the service's event store, got {error}; move the file away, or set CAROUSEL_HOME"
            ) from None
        self._versions = _shared_numbers(versions)
        super().__init__(load_key or partial(tombstones.load_key, path.parent.parent / tombstones.KEY_FILE))

    def history_version(self, user_id: str) -> int:
        """See EventStore; the versions are memory that the processes of the machine share."""
        return self._versions[version_slot(user_id)]

    def delete_user(self, user_id: str) -> int:
        """See EventStore; the id is in no byte of the file afterwards, nor in its write-ahead log.

        Raises StoreError where the events are deleted, but another process reads for so long that bytes may remain.
        """
        n_deleted = super().delete_user(user_id)
        text = user_id.encode("utf-8", "surrogatepass")
        with self._errors(), self._write_lock():
            self._empty_log()
            if _contains(self.path, text):  # what SQLite left of an earlier layout of a page
                self._rewrite()
        return n_deleted

    def prepare_erasures(self) -> None:
        """See EventStore; a file of version 0.2 may still hold bytes of deleted events, and is rewritten."""
        super().prepare_erasures()
        with self._errors(), self._write_lock():
            if self._database().execute("PRAGMA user_version").fetchone() == (0,):
                self._rewrite()
                self._database().execute("PRAGMA user_version = 1")

    def _rewrite(self) -> None:
        self._database().execute("VACUUM")
        self._empty_log()

    def _empty_log(self) -> None:
        """Move the write-ahead log into the file and truncate it; the caller holds the write lock."""
        is_busy, *_ = self._database().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError("another process reads for too long; call again")

    def _make_private(self, versions: Path) -> None:
        """Make the folder and an empty file for their owner alone; SQLite gives its own files the same rights."""
        make_folder(self.path.parent)
        open(self.path, "ab", opener=private_opener).close()
        for file in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm")), versions):
            restrict(file)
        restrict(self._lock_path)

    def _query(self, sql: str, *values: Any) -> list[Row]:
        with self._errors():
            return self._database().execute(sql, values).fetchall()

    def _transact(self, work: Callable[[Transaction], T], users: Iterable[str] = ()) -> T:
        with self._errors(), self._write_lock(), self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            result = work(database)
        for slot in version_slots(users):  # random, not + 1: two processes that write at once must not undo each other
            self._versions[slot] = random.getrandbits(64)
        return result

    def _commit(self, batches: list[Batch]) -> list[int | KeyReusedError]:
        def insert(transaction: Transaction, rows: list[Row]) -> int:
            return transaction.executemany(INSERT_EVENT, rows).rowcount if rows else 0

        def work(transaction: Transaction) -> list[int | KeyReusedError]:
            found = judge_claims([batch.claim for batch in batches], partial(_insert_claims, transaction))
            return [
                insert(transaction, batch.rows) if result is None else result
                for batch, result in zip(batches, found, strict=True)
            ]

        return self._transact(work, (str(row[0]) for rows, _ in batches for row in rows))

    @contextmanager
    def _write_lock(self) -> Iterator[None]:
        """Let one process write at a time; waiting for SQLite's own lock is sleep and retry, which takes far longer."""
        with open(self._lock_path, "ab", opener=private_opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _prepare(self, versions: Path) -> None:
        """Create the tables, or rename those of version 0.1; several processes may do this at once."""
        with self._write_lock(), self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            tables = self._tables()
            if "told" in tables and "metadata" not in tables:
                database.execute("ALTER TABLE told RENAME TO metadata")
            for statement in SCHEMA:
                database.execute(statement)
            if not self._has_consent():
                database.execute("ALTER TABLE events ADD COLUMN consent TEXT")
            old_versions = self.path.with_name(f"{self.path.name}-marks")
            if old_versions.exists() and not versions.exists():
                old_versions.rename(versions)
            _shared_numbers(versions)
            self.path.with_name(f"{self.path.name}-turn").unlink(missing_ok=True)

    def _has_consent(self) -> bool:
        """Return whether the table `events` is one of version 0.5 or later."""
        return any(column[1] == COLUMN for column in self._database().execute("PRAGMA table_info(events)"))

    def _tables(self) -> set[str]:
        return {name for (name,) in self._database().execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def _database(self) -> sqlite3.Connection:
        """Return the connection of this thread."""
        database: sqlite3.Connection | None = getattr(self._thread, "database", None)
        if database is None:
            database = sqlite3.connect(self.path, timeout=BUSY_S)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA secure_delete = ON")  # deleted rows are overwritten with zeros
            database.execute("PRAGMA synchronous = FULL")  # acknowledged events survive a power cut
            self._thread.database = database
        return database

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"{self.path}: {error}; the disk may be full, or another program may lock the file")


def _insert_claims(transaction: Transaction, claims: Sequence[Claim]) -> dict[bytes, bytes]:
    """Store the claims with new keys; return key -> digest of the others."""
    others = [claim.key for claim in claims if not transaction.execute(INSERT_KEY, claim).rowcount]
    select = "SELECT key, digest FROM idempotency_keys WHERE key = ?"
    return dict(row for key in others for row in transaction.execute(select, (key,)).fetchall())


def _shared_numbers(path: Path) -> memoryview:
    """Return N_VERSION_SLOTS numbers of 64 bits that the processes of this machine share."""
    with open(path, "a+b", opener=private_opener) as file:
        if file.seek(0, 2) != 8 * N_VERSION_SLOTS:
            file.truncate(8 * N_VERSION_SLOTS)
        return memoryview(mmap.mmap(file.fileno(), 8 * N_VERSION_SLOTS)).cast("Q")


def _contains(path: Path, text: bytes) -> bool:
    """Return whether the text is anywhere in the file, which is not read into memory as a whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text) >= 0
