"""What users did, as the service was told; the store is a file (`state_sqlite`) or a database (`state_postgres`).

An event is acknowledged when it is safe; events that arrive together share one commit. The columns are those of the
table `events`, so a source of `data.sources` may read the store as it is.
"""

from __future__ import annotations

import logging
import queue
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from components.errors import CarouselError
from components.times import DAY_US

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
Row = tuple[Any, ...]
log = logging.getLogger("serving")
BUSY_S = 10.0  # longest wait for another process that is writing
N_VERSION_SLOTS = 65_536  # of users by hash: who shares one is read again when the other changes
TOGETHER = 2000  # rows in one commit, at most
FORGOTTEN = "forgotten/"
# a value is `?`, many rows of values are `{}`; what the stores understand otherwise is in SCHEMA of each
INSERT = "INSERT INTO events VALUES {} ON CONFLICT DO NOTHING"
HISTORY = """
SELECT user_id, at, item_id, event, quantity, price FROM events WHERE user_id = ? ORDER BY at DESC, key DESC LIMIT ?
"""
TELL = "INSERT INTO told VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
STOCK = """
INSERT INTO stock VALUES {} ON CONFLICT (item_id) DO UPDATE SET quantity = excluded.quantity, at = excluded.at
WHERE excluded.at >= stock.at
"""
# each user is one step in the index, however much one did
USERS = """
WITH RECURSIVE step(user_id) AS (
    SELECT min(user_id) FROM events WHERE user_id >= ? UNION ALL
    SELECT (SELECT min(user_id) FROM events WHERE user_id > step.user_id) FROM step
    WHERE substr(user_id, 1, length(?)) = ?)
SELECT user_id FROM step WHERE substr(user_id, 1, length(?)) = ? LIMIT ?
"""


class StoreError(CarouselError):
    """The store cannot be reached, is full, or is held by another for too long."""


@dataclass(frozen=True)
class StoredEvent:
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

    def row(self) -> Row:
        """Return the row of the table; the key tells events of the same microsecond apart."""
        told = "\0".join((self.item_id, self.event, self.session_id or ""))
        key = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        told_of = (self.quantity, self.price, self.session_id, self.position, self.request_id)
        return (self.user_id, self.at, key, self.item_id, self.event, *told_of)


class EventStore(ABC):
    """A store of users' histories. Every call raises StoreError where it cannot be done now."""

    is_local: ClassVar[bool]  # whether a read takes microseconds, so that it needs no thread of its own

    def __init__(self) -> None:
        """Begin to write what is put."""
        self._waiting: queue.SimpleQueue[tuple[list[Row], Future[int]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="state", daemon=True)
        self._writer.start()

    def put(self, events: Sequence[StoredEvent]) -> Future[int]:
        """Return, once they are safe, how many of the events were new."""
        done: Future[int] = Future()
        self._waiting.put(([event.row() for event in events], done))
        return done

    @abstractmethod
    def history_version(self, user_id: str) -> int:
        """Return a number that changes, in every process, before an event of the user is acknowledged.

        Who keeps something that was made of a history asks for the mark first, and then for the history.
        """

    def history(self, user_id: str, newest: int) -> list[StoredEvent]:
        """Return the newest events of a user, oldest first."""
        return [StoredEvent(*row) for row in reversed(self._rows(HISTORY, user_id, newest))]

    def delete_user(self, user_id: str) -> int:
        """Remove all that a user did; return how many events that was. A trace stays: no snapshot brings it back."""

        def work(database: Any) -> int:
            database.execute(TELL, (f"{FORGOTTEN}{tombstone(user_id)}", ""))
            return int(database.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount)

        return self._change(work, [user_id])

    def tombstones(self) -> frozenset[str]:
        """Return the traces of those who were forgotten."""
        found = self._rows("SELECT name FROM told WHERE substr(name, 1, ?) = ?", len(FORGOTTEN), FORGOTTEN)
        return frozenset(name.removeprefix(FORGOTTEN) for (name,) in found)

    def prune(self, days: int) -> int:
        """Remove events that are so much older than the newest one; return how many."""
        older = "DELETE FROM events WHERE at < (SELECT max(at) FROM events) - ?"
        return self._change(lambda database: int(database.execute(older, (days * DAY_US,)).rowcount))

    def stock(self) -> dict[str, float]:
        """Return item_id -> pieces."""
        return dict(self._rows("SELECT item_id, quantity FROM stock"))

    def set_stock(self, quantities: dict[str, float], at: int) -> None:
        """Tell how many pieces there are; older news than what is known changes nothing."""
        rows = [(item_id, quantity, at) for item_id, quantity in sorted(quantities.items())]
        self._change(lambda database: self._many(database, STOCK, rows))

    def find_users(self, prefix: str, n: int) -> list[str]:
        """Return up to n ids that begin so, in the order of their bytes."""
        return [user_id for (user_id,) in self._rows(USERS, *[prefix] * 5, n)]

    def read_table(self, since: int = 0) -> pa.Table:
        """Return all events from `since` (us) on: user_id, at (us), item_id, event, quantity, price."""
        import pyarrow as pa

        names = ("user_id", "at", "item_id", "event", "quantity", "price")
        kinds = (pa.string(), pa.int64(), pa.string(), pa.string(), pa.float64(), pa.float64())
        rows = self._rows(f"SELECT {', '.join(names)} FROM events WHERE at >= ?", since)  # noqa: S608
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        return pa.table({n: pa.array(list(c), k) for n, c, k in zip(names, columns, kinds, strict=True)})

    def get_meta(self, name: str) -> str | None:
        """Return a note that outlives the process, such as which snapshot was taken in."""
        rows = self._rows("SELECT value FROM told WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def set_meta(self, name: str, value: str) -> None:
        """Write a note."""
        self._change(lambda database: database.execute(TELL, (name, value)))

    def bulk_insert(self, events: Iterable[StoredEvent]) -> int:
        """Write many events, such as a snapshot's; return how many were new."""
        rows, new = (event.row() for event in events), 0
        while part := list(islice(rows, TOGETHER)):
            new += sum(self._commit([part]))
        return new

    def close(self) -> None:
        """Write what waits."""
        self._waiting.put(None)
        self._writer.join(timeout=BUSY_S)

    @abstractmethod
    def _rows(self, sql: str, *values: Any) -> list[Row]:
        """Return what a query finds."""

    @abstractmethod
    def _change(self, work: Callable[[Any], T], users: Iterable[str] = ()) -> T:
        """Return what work gives, done in one transaction; what was kept of the users is out of date then.

        work: takes what has `execute(sql, values)`, which returns what has `rowcount`; it may be called again.
        """

    @abstractmethod
    def _many(self, database: Any, sql: str, rows: Sequence[Row]) -> int:
        """Run the statement with rows of values, in a transaction that is open; return how many it changed."""

    @abstractmethod
    def _commit(self, parts: list[list[Row]]) -> list[int]:
        """Insert rows of events in one transaction; return how many were new, by part."""

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
                counts = self._commit([rows for rows, _ in parts]) if parts else []
            except Exception as error:  # a full disk, a database that is away: nobody is told that it is safe
                log.warning("events were not written: %s", error)
                for _, done in parts:
                    done.set_exception(error)
                continue
            for (_, done), count in zip(parts, counts, strict=True):
                done.set_result(count)


def tombstone(user_id: str) -> str:
    """Return what is kept of who was forgotten: a digest, which says nothing to who does not know the id."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def hash_user(user_id: str) -> int:
    """Return a number that is the same in every process."""
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


def version_slots(users: Iterable[str]) -> list[int]:
    """Return the users' places among the marks, each once, in order."""
    return sorted({hash_user(user_id) % N_VERSION_SLOTS for user_id in users})
