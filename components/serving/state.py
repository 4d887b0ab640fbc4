"""What users did, as the service was told: an embedded store that all its processes on a machine share.

SQLite in WAL mode. An event is acknowledged when it is on disk; events that arrive together share one commit. The
columns are those of the table `events`, so a source of `data.sources` may read the file as it is.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import queue
import random
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.errors import ContractError
from components.profiles.definitions import DAY_US

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("serving")
BUSY_S = 10.0  # longest wait for another process that is writing
MARKS = 65_536  # of users by hash: who shares one is read again when the other changes
TOGETHER = 2000  # rows in one commit, at most
FORGOTTEN = "forgotten/"
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    user_id TEXT NOT NULL, at INTEGER NOT NULL, key BLOB NOT NULL, item_id TEXT NOT NULL, event TEXT NOT NULL,
    quantity REAL, price REAL, session_id TEXT, position INTEGER, request_id TEXT,
    PRIMARY KEY (user_id, at, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (item_id TEXT PRIMARY KEY, quantity REAL NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Happened:
    """One event of a user; `at` in microseconds (UTC). The same one told twice is one."""

    user_id: str
    at: int
    item_id: str
    event: str
    quantity: float | None = None
    price: float | None = None
    session_id: str | None = None
    position: int | None = None  # where in the list it was shown, 1 is the first place
    request_id: str | None = None  # of the answer that showed it

    def row(self) -> tuple[object, ...]:
        """Return the row of the table; the key tells events of the same microsecond apart."""
        told = "\0".join((self.item_id, self.event, self.session_id or ""))
        key = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        told_of = (self.quantity, self.price, self.session_id, self.position, self.request_id)
        return (self.user_id, self.at, key, self.item_id, self.event, *told_of)


class State(Protocol):
    """What the service needs of a store of users' histories."""

    def put(self, events: Sequence[Happened]) -> Future[int]:
        """Return, once they are safe, how many of the events were new."""
        ...

    def history(self, user_id: str, newest: int) -> list[Happened]:
        """Return the newest events of a user, oldest first."""
        ...

    def forget(self, user_id: str) -> int:
        """Remove all that a user did; return how many events that was."""
        ...

    def stock(self) -> dict[str, float]:
        """Return what is known of how many pieces of a product there are."""
        ...

    def set_stock(self, quantities: dict[str, float], at: int) -> None:
        """Tell how many pieces there are."""
        ...

    def mark(self, user_id: str) -> int:
        """Return a number that changes, in every process, before an event of the user is acknowledged."""
        ...

    def users(self, prefix: str, n: int) -> list[str]:
        """Return up to n ids that begin so, in order."""
        ...

    def close(self) -> None:
        """Write what waits, and let go of the store."""
        ...


class SqliteState:
    """The embedded store: one file, readers beside one writer, for all processes of a machine."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises ContractError where it is no database of this kind, or cannot be written."""
        self.path = path
        self._mine = threading.local()
        self._waiting: queue.SimpleQueue[tuple[list[tuple[object, ...]], Future[int]] | None] = queue.SimpleQueue()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database().executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise ContractError(
                f"{path}: expected the service's store of events, got {error}; move the file away, or set CAROUSEL_HOME"
            ) from None
        self._turn = path.with_name(f"{path.name}-turn")
        self._marks = _shared(path.with_name(f"{path.name}-marks"))
        self._writer = threading.Thread(target=self._write, name="state", daemon=True)
        self._writer.start()

    def put(self, events: Sequence[Happened]) -> Future[int]:
        """Return, once they are on disk, how many of the events were new."""
        done: Future[int] = Future()
        self._waiting.put(([event.row() for event in events], done))
        return done

    def mark(self, user_id: str) -> int:
        """Return a number that changes, in every process of this machine, before an event of the user is acknowledged.

        Who keeps something that was made of a history asks for the mark first, and then for the history.
        """
        return self._marks[hash_of(user_id) % MARKS]

    def history(self, user_id: str, newest: int) -> list[Happened]:
        """Return the newest events of a user, oldest first."""
        rows = self._database().execute(
            "SELECT user_id, at, item_id, event, quantity, price FROM events WHERE user_id = ? "
            "ORDER BY at DESC, key DESC LIMIT ?",
            (user_id, newest),
        )
        return [Happened(*row) for row in reversed(rows.fetchall())]

    def forget(self, user_id: str) -> int:
        """Remove all that a user did; return how many events that was. A trace stays: no snapshot brings it back."""
        with self._database() as database:
            database.execute("INSERT OR REPLACE INTO told VALUES (?, '')", (f"{FORGOTTEN}{self.trace(user_id)}",))
            gone = database.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount
        self._changed([user_id])
        return gone

    @staticmethod
    def trace(user_id: str) -> str:
        """Return what is kept of who was forgotten: a digest, which says nothing to who does not know the id."""
        return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()

    def forgotten(self) -> frozenset[str]:
        """Return the traces of those who were forgotten."""
        found = self._database().execute(f"SELECT name FROM told WHERE name LIKE '{FORGOTTEN}%'")  # noqa: S608
        return frozenset(name.removeprefix(FORGOTTEN) for (name,) in found)

    def prune(self, days: int) -> int:
        """Remove events that are so much older than the newest one; return how many."""
        with self._database() as database:
            return database.execute(
                "DELETE FROM events WHERE at < (SELECT max(at) FROM events) - ?", (days * DAY_US,)
            ).rowcount

    def stock(self) -> dict[str, float]:
        """Return item_id -> pieces."""
        return dict(self._database().execute("SELECT item_id, quantity FROM stock").fetchall())

    def set_stock(self, quantities: dict[str, float], at: int) -> None:
        """Tell how many pieces there are; older news than what is known changes nothing."""
        rows = [(item_id, quantity, at) for item_id, quantity in quantities.items()]
        with self._database() as database:
            database.executemany(
                "INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (item_id) DO UPDATE SET quantity = excluded.quantity, "
                "at = excluded.at WHERE excluded.at >= stock.at",
                rows,
            )

    def users(self, prefix: str, n: int) -> list[str]:
        """Return up to n ids that begin so, in order; each is one step in the index, however much a user did."""
        rows = self._database().execute(
            "WITH RECURSIVE step(user_id) AS (SELECT min(user_id) FROM events WHERE user_id >= :prefix UNION ALL "
            "SELECT (SELECT min(user_id) FROM events WHERE user_id > step.user_id) FROM step WHERE user_id IS NOT NULL "
            "LIMIT :n) SELECT user_id FROM step WHERE substr(user_id, 1, length(:prefix)) = :prefix",
            {"prefix": prefix, "n": n},
        )
        return [user_id for (user_id,) in rows]

    def table(self) -> pa.Table:
        """Return all events: user_id, at (us), item_id, event, quantity, price."""
        import pyarrow as pa

        names = ("user_id", "at", "item_id", "event", "quantity", "price")
        kinds = (pa.string(), pa.int64(), pa.string(), pa.string(), pa.float64(), pa.float64())
        rows = self._database().execute(f"SELECT {', '.join(names)} FROM events").fetchall()  # noqa: S608
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        return pa.table({n: pa.array(list(c), k) for n, c, k in zip(names, columns, kinds, strict=True)})

    def told(self, name: str) -> str | None:
        """Return a note that outlives the process, such as which snapshot was taken in."""
        row = self._database().execute("SELECT value FROM told WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def tell(self, name: str, value: str) -> None:
        """Write a note."""
        with self._database() as database:
            database.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (name, value))

    def take_in(self, rows: Iterable[Happened]) -> int:
        """Write many events at once, such as a snapshot's; return how many were new."""
        with self._database() as database:
            return database.executemany(INSERT, (row.row() for row in rows)).rowcount

    def close(self) -> None:
        """Write what waits."""
        self._waiting.put(None)
        self._writer.join(timeout=BUSY_S)

    def _database(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        database: sqlite3.Connection | None = getattr(self._mine, "database", None)
        if database is None:
            database = sqlite3.connect(self.path, timeout=BUSY_S)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
            self._mine.database = database
        return database

    def _write(self) -> None:
        """Commit what waits, all that is there at once, until `close`."""
        going = True
        while going:
            batch = [self._waiting.get()]
            while sum(len(part[0]) for part in batch if part) < TOGETHER and not self._waiting.empty():
                batch.append(self._waiting.get())
            going = None not in batch
            parts = [part for part in batch if part is not None]
            try:
                counts = self._commit([rows for rows, _ in parts])
                self._changed(str(row[0]) for rows, _ in parts for row in rows)
            except sqlite3.Error as error:  # a full disk, a lock that nobody lets go of: nobody is told that it is safe
                log.exception("events were not written")
                for _, done in parts:
                    done.set_exception(error)
                continue
            for (_, done), count in zip(parts, counts, strict=True):
                done.set_result(count)

    def _changed(self, users: Iterable[str]) -> None:
        for user_id in set(users):  # a random number: two processes may write at once, and neither must undo the other
            self._marks[hash_of(user_id) % MARKS] = random.getrandbits(64)

    def _commit(self, parts: list[list[tuple[object, ...]]]) -> list[int]:
        # one process at a time: who waits for SQLite's own lock sleeps and tries again, which takes far longer
        with self._turn.open("ab") as turn, self._database() as database:
            fcntl.flock(turn, fcntl.LOCK_EX)
            database.execute("BEGIN IMMEDIATE")
            return [max(database.executemany(INSERT, rows).rowcount, 0) if rows else 0 for rows in parts]


def hash_of(user_id: str) -> int:
    """Return a number that is the same in every process."""
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


def _shared(path: Path) -> memoryview:
    """Return MARKS numbers of 64 bits that the processes of this machine share."""
    with path.open("a+b") as file:
        if file.seek(0, 2) != 8 * MARKS:
            file.truncate(8 * MARKS)
        return memoryview(mmap.mmap(file.fileno(), 8 * MARKS)).cast("Q")


INSERT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
