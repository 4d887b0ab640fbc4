"""The contract of a store of users' events, and its records; event_store_sqlite and event_store_postgres implement it.

An event is acknowledged once it is durable. The table `events` has the columns of StoredEvent: a source can read it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar
from uuid import uuid4

from components.errors import CarouselError, ContractError
from components.privacy.consent import allows
from components.serving.storage import ad_tables
from components.serving.storage.commit_queue import MAX_COMMIT_ROWS, Batch, CommitQueue, Row
from components.serving.storage.idempotency import KeyReusedError, make_claim
from components.serving.storage.statements import (
    COUNT_OLD,
    DELETE_META,
    LIST_USERS,
    SELECT_HISTORY,
    SELECT_ITEMS,
    SELECT_LAST_USER,
    SELECT_META,
    SELECT_USERS,
    SUMMARISE_USERS,
    UPSERT_META,
    UPSERT_STOCK,
)
from components.serving.storage.transactions import Transaction
from components.times import DAY_US, FIRST_TIME, HOUR_US, now_micros, to_iso, to_micros
from components.tombstones import add_key, key_id, tombstone

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
CLOCK_SKEW_US = HOUR_US  # how far ahead of this machine's clock the time of an event may be
ALL_TIMES, FIRST_US = (-(2**63), 2**63 - 1), to_micros(FIRST_TIME)
CLOSE_S = 10.0  # longest wait of `close` for events that are not committed yet
ERASED = "erased/"  # then key_id, / and tombstone: names in `metadata`, whose value is the time (us)
ERASED_0_2 = "forgotten/"  # then the unkeyed tombstone of version 0.2
STAMP = "last_erasure"  # in `metadata`: another value after each deletion


class StoreError(CarouselError):
    """The store cannot be reached, is full, or was locked by another process for too long."""


class StoredEvent(NamedTuple):
    """One event of a user; `at` in microseconds (UTC). Storing the same event again changes nothing."""

    user_id: str
    at: int
    item_id: str
    event: str
    quantity: float | None = None
    price: float | None = None
    session_id: str | None = None
    position: int | None = None  # in the list that showed the item, from 1
    request_id: str | None = None  # of the answer that showed the item
    consent: str | None = None  # purposes that it may be used for, joined by commas; None: all

    def row(self) -> Row:
        """Return the row of the table; `key` separates events of the same user and microsecond."""
        identity = "\0".join((self.item_id, self.event, self.session_id or ""))
        key = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        details = (self.quantity, self.price, self.session_id, self.position, self.request_id, self.consent)
        return (self.user_id, self.at, key, self.item_id, self.event, *details)


class UserActivity(NamedTuple):
    """What a store holds of a user; times in microseconds (UTC)."""

    user_id: str
    n_recent: int  # events since a given time
    first: int
    last: int


class EventStore(ABC):
    """The events of all users. Every method raises StoreError where the store is not available."""

    is_local: ClassVar[bool]  # True: a read takes microseconds, and may run in the event loop

    def __init__(self, load_key: Callable[[], bytes]) -> None:
        """Start the thread that commits. load_key: returns the key of tombstones; called where it is needed."""
        self._load_key = load_key
        self._commits = CommitQueue(lambda batches: self._commit(batches))

    def put(self, events: Sequence[StoredEvent], key: str | None = None, body: bytes = b"") -> Future[int]:
        """Return a future of the number of events that were new; it has a result once they are durable.

        key: of the request. With the key of an earlier request nothing is stored: the result is 0 where both have the
        same body, else KeyReusedError.
        """
        claim = None if key is None else make_claim(self._key, key, body, now_micros())
        return self._commits.put(Batch([event.row() for event in events], claim))

    @abstractmethod
    def history_version(self, user_id: str) -> int:
        """Return a number that changes, in every process, before a change of the user's history is acknowledged.

        To cache what was computed from a history, read the version first, and the history second.
        """

    def history(self, user_id: str, newest: int, now: int | None = None) -> list[StoredEvent]:
        """Return the newest events of a user, oldest first.

        now: us; without events before FIRST_TIME or more than CLOCK_SKEW_US after it, which a wrong clock wrote. None:
        all events.
        """
        first, last = ALL_TIMES if now is None else (FIRST_US, now + CLOCK_SKEW_US)
        return [StoredEvent(*row) for row in reversed(self._query(SELECT_HISTORY, user_id, first, last, newest))]

    def item_histories(self, user_ids: Sequence[str], newest: int, now: int) -> list[list[Row]]:
        """Return for each user (at, item_id, event) of the events that `history` returns, oldest first."""
        last = now + CLOCK_SKEW_US
        return [self._query(SELECT_ITEMS, user_id, FIRST_US, last, newest)[::-1] for user_id in user_ids]

    @cached_property
    def _key(self) -> bytes:
        return self._load_key()

    def delete_user(self, user_id: str) -> int:
        """Delete all events of a user; return how many. A tombstone prevents a new import from snapshots."""

        def work(transaction: Transaction) -> int:
            transaction.execute(UPSERT_META, self._erasure(self.tombstone_of(user_id)))
            for statement in ad_tables.DELETE_USER:
                transaction.execute(statement, (self.tombstone_of(user_id),))
            transaction.execute(UPSERT_META, (STAMP, uuid4().hex))
            return transaction.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount

        return self._transact(work, [user_id])

    def tombstone_of(self, user_id: str) -> str:
        """Return the tombstone that the user has after a deletion."""
        return tombstone(user_id, self._key)

    def erasures(self) -> dict[str, int]:
        """Return tombstone -> time of the deletion (us) of all deleted users, those of version 0.2 at time 0."""
        old = {add_key(name, self._key): 0 for name in self.read_meta(ERASED_0_2)}
        return old | {name: int(at) for name, at in self.read_meta(f"{ERASED}{key_id(self._key)}/").items()}

    def tombstones(self) -> frozenset[str]:
        """Return the tombstones of all deleted users."""
        return frozenset(self.erasures())

    def erasure_stamp(self) -> str | None:
        """Return a text that changes with each deletion; None where no user was deleted."""
        return self.get_meta(STAMP)

    def prepare_erasures(self) -> None:
        """Replace tombstones of version 0.2, which whoever reads them can find the ids of.

        Raises ContractError where tombstones have another key: their users could come back from a snapshot.
        """
        old = list(self.read_meta(ERASED_0_2))

        def work(transaction: Transaction) -> None:
            for name in old:
                transaction.execute(UPSERT_META, self._erasure(add_key(name, self._key)))
                transaction.execute(DELETE_META, (ERASED_0_2 + name,))
            transaction.execute(UPSERT_META, (STAMP, uuid4().hex))

        if old:
            self._transact(work)
        every = self.read_meta(ERASED)
        n_foreign = sum(not name.startswith(f"{key_id(self._key)}/") for name in every)
        if n_foreign:
            raise ContractError(
                f"event store: the tombstones of {n_foreign} deleted users were made with another key; set "
                "CAROUSEL_ERASURE_KEY, on all machines, to the content of erasure.key on the machine that made them"
            )

    def secret_id(self) -> str:
        """Return 16 digits that differ for another key of tombstones and idempotency keys, and do not reveal it."""
        return key_id(self._key)

    def _erasure(self, name: str) -> Row:
        return f"{ERASED}{key_id(self._key)}/{name}", str(now_micros())

    def prune(self, days: int, now: int, max_share: float) -> int:
        """Delete events that are more than `days` older than `now` (us), and keys of such requests; return how many.

        Raises ContractError, and deletes nothing, where that is more than max_share of all: the clock may be wrong.
        """
        before = now - days * DAY_US

        def work(transaction: Transaction) -> int:
            ((n, n_old),) = transaction.execute(COUNT_OLD, (before,)).fetchall()
            if n_old > max_share * n:
                raise ContractError(
                    f"event store: {n_old:,} of {n:,} events are older than serving.event_retention_days ({days}) "
                    f"by this machine's clock, {to_iso(now)}; nothing was deleted. If the clock is right, start once "
                    "with `--set serving.max_prune_share=1`"
                )
            transaction.execute("DELETE FROM idempotency_keys WHERE at < ?", (before,))
            for statement in ad_tables.PRUNE:
                transaction.execute(statement, (before,))
            return transaction.execute("DELETE FROM events WHERE at < ?", (before,)).rowcount

        return self._transact(work)

    def stock(self) -> dict[str, float]:
        """Return item_id -> quantity in stock."""
        return dict(self._query("SELECT item_id, quantity FROM stock"))

    def set_stock(self, quantities: dict[str, float], at: int) -> None:
        """Set quantities as of `at` (us); an item whose stored quantity is newer, by CLOCK_SKEW_US at most, stays."""
        rows = [(item_id, quantity, at, CLOCK_SKEW_US) for item_id, quantity in sorted(quantities.items())]
        self._transact(lambda transaction: transaction.executemany(UPSERT_STOCK, rows))

    def find_users(self, prefix: str, limit: int) -> list[str]:
        """Return up to `limit` user ids with this prefix, in the order of their UTF-8 bytes."""
        return [user_id for (user_id,) in self._query(SELECT_USERS, *[prefix] * 5, limit)]

    def list_users(self, after: str, limit: int) -> list[str]:
        """Return up to `limit` user ids after this one, in the order of their UTF-8 bytes; "": from the first on."""
        return [user_id for (user_id,) in self._query(LIST_USERS, after, limit)]

    def count_users(self) -> int:
        """Return the number of users."""
        return int(self._query("SELECT count(*) FROM (SELECT DISTINCT user_id FROM events) AS users")[0][0])

    def last_user(self) -> str | None:
        """Return the last user id in the order of their UTF-8 bytes; None without users."""
        found: str | None = self._query(SELECT_LAST_USER)[0][0]
        return found

    def summarise_users(self, user_ids: Sequence[str], since: int) -> list[UserActivity]:
        """Return what the store holds of these users, those without events left out. since: us."""
        if not user_ids:
            return []
        sql = SUMMARISE_USERS.format(users=", ".join("?" * len(user_ids)))
        return [UserActivity(*row) for row in self._query(sql, since, *user_ids)]

    def read_table(self, since: int = 0) -> pa.Table:
        """Return events from `since` (us) on, to measure with: user_id, at (us), item_id, event, quantity, price."""
        import pyarrow as pa

        names = ("user_id", "at", "item_id", "event", "quantity", "price")
        types = (pa.string(), pa.int64(), pa.string(), pa.string(), pa.float64(), pa.float64())
        rows = self._query(f"SELECT {', '.join(names)} FROM events WHERE at >= ? AND {allows('measure')}", since)  # noqa: S608
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        return pa.table({n: pa.array(list(c), t) for n, c, t in zip(names, columns, types, strict=True)})

    def get_meta(self, name: str) -> str | None:
        """Return a value that outlives the process, such as the digest of the imported snapshot."""
        rows = self._query("SELECT value FROM metadata WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def set_meta(self, name: str, value: str) -> None:
        """Set a value that outlives the process."""
        self._transact(lambda transaction: transaction.execute(UPSERT_META, (name, value)))

    def read_meta(self, prefix: str) -> dict[str, str]:
        """Return name -> value of all names in `metadata` with this prefix, which the names here lack."""
        rows = self._query(SELECT_META, len(prefix), prefix)
        return {name.removeprefix(prefix): value for name, value in rows}

    def bulk_insert(self, events: Iterable[StoredEvent]) -> int:
        """Insert many events in commits of MAX_COMMIT_ROWS; return how many were new."""
        rows, n_new = (event.row() for event in events), 0
        while part := list(islice(rows, MAX_COMMIT_ROWS)):
            n_new += sum(n for n in self._commit([Batch(part)]) if isinstance(n, int))
        return n_new

    def query(self, sql: str, *values: Any) -> list[Row]:
        """Return the rows of a SELECT on tables of other modules."""
        return self._query(sql, *values)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Return the result of `work` on tables of other modules, in one transaction; it may run twice."""
        return self._transact(work)

    def close(self) -> None:
        """Commit the waiting events."""
        self._commits.close(CLOSE_S)

    @abstractmethod
    def _query(self, sql: str, *values: Any) -> list[Row]:
        """Return the rows of a SELECT."""

    @abstractmethod
    def _transact(self, work: Callable[[Transaction], T], users: Iterable[str] = ()) -> T:
        """Return the result of `work`, run in one transaction that also changes the users' history versions.

        work: may run twice, where the first transaction was rolled back.
        """

    @abstractmethod
    def _commit(self, batches: list[Batch]) -> list[int | KeyReusedError]:
        """Insert the rows of all batches in one transaction; return how many of each were new, or its error."""
