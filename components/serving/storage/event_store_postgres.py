"""The store that replicas on several machines share: a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import psycopg

from components.serving.storage.commit_queue import Batch, Row
from components.serving.storage.event_store import EventStore, T
from components.serving.storage.idempotency import Claim, KeyReusedError, judge_claims
from components.serving.storage.postgres_connections import Connection, PostgresConnections
from components.serving.storage.transactions import Transaction
from components.serving.storage.user_hash import version_slot, version_slots
from components.times import DAY_US

Cursor = psycopg.Cursor[Row]
# one array per column: one statement, whatever the number of rows
INSERT_EVENTS = """
INSERT INTO events SELECT * FROM unnest(
    %s::text[], %s::bigint[], %s::bytea[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[], %s::int[],
    %s::text[], %s::text[])
ON CONFLICT DO NOTHING RETURNING user_id, at, key
"""
# waits for another transaction that inserts the same key; where that is committed, the key is known
INSERT_KEYS = """
INSERT INTO idempotency_keys SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[])
ON CONFLICT DO NOTHING RETURNING key
"""
SELECT_KEYS = "SELECT key, digest FROM idempotency_keys WHERE key = ANY(%s::bytea[])"
# in the transaction that changes the histories: the change and the version become visible together
INCREMENT_VERSIONS = """
INSERT INTO history_versions SELECT slot, 1 FROM unnest(%s::int[]) AS slot
ON CONFLICT (slot) DO UPDATE SET version = history_versions.version + 1
"""


class PostgresEventStore(EventStore):
    """The database. Each belongs to one shop."""

    is_local = False

    def __init__(self, url: str, shop: str, connections: int, load_key: Callable[[], bytes]) -> None:
        """url: as libpq reads it. connections: maximum, not counting the writer's. load_key: see EventStore.

        No connection is made yet, so that a service can start and answer while the database is unavailable.
        """
        self._connections = PostgresConnections(url, shop, connections + 1)
        super().__init__(load_key)

    def history_version(self, user_id: str) -> int:
        """See EventStore."""
        rows = self._query("SELECT version FROM history_versions WHERE slot = ?", version_slot(user_id))
        return int(rows[0][0]) if rows else 0

    def delete_user(self, user_id: str) -> int:
        """See EventStore."""
        return 0 if "\0" in user_id else super().delete_user(user_id)

    def prune(self, days: int, now: int, max_share: float) -> int:
        """See EventStore; also exposures that old, which no machine has collected."""
        removed = super().prune(days, now, max_share)
        old = "DELETE FROM exposure_lists WHERE at < ?"
        self._transact(lambda transaction: transaction.execute(old, (now - days * DAY_US,)))
        return removed

    def close(self) -> None:
        """See EventStore."""
        super().close()
        self._connections.close()

    def _query(self, sql: str, *values: Any) -> list[Row]:
        if any(isinstance(value, str) and "\0" in value for value in values):  # PostgreSQL cannot store it
            return []
        return self._connections.run(lambda connection: connection.execute(_translate(sql), values).fetchall())

    def _transact(self, work: Callable[[Transaction], T], users: Iterable[str] = ()) -> T:
        return self._change(lambda cursor: work(_CursorTransaction(cursor)), users)

    def _change(self, work: Callable[[Cursor], T], users: Iterable[str]) -> T:
        slots = version_slots(users)

        def run(connection: Connection) -> T:
            with connection.transaction(), connection.cursor() as cursor:
                result = work(cursor)
                if slots:
                    cursor.execute(INCREMENT_VERSIONS, (slots,))
                return result

        return self._connections.run(run)

    def _commit(self, batches: list[Batch]) -> list[int | KeyReusedError]:
        """See EventStore; rows are sorted by key, so that two writers of the same rows take locks in one order."""

        def work(cursor: Cursor) -> list[int | KeyReusedError]:
            found = judge_claims([batch.claim for batch in batches], partial(_insert_claims, cursor))
            counts = _insert_events(cursor, [b.rows if f is None else [] for b, f in zip(batches, found, strict=True)])
            return [count if result is None else result for count, result in zip(counts, found, strict=True)]

        return self._change(work, (str(row[0]) for rows, _ in batches for row in rows))


def _insert_claims(cursor: Cursor, claims: Sequence[Claim]) -> dict[bytes, bytes]:
    """Store the claims with new keys; return key -> digest of the others."""
    columns = [list(column) for column in zip(*claims, strict=True)]
    new = {key for (key,) in cursor.execute(INSERT_KEYS, columns).fetchall()}
    others = [claim.key for claim in claims if claim.key not in new]
    return dict(cursor.execute(SELECT_KEYS, (others,)).fetchall()) if others else {}


def _insert_events(cursor: Cursor, parts: Sequence[Sequence[Row]]) -> list[int]:
    """Insert the rows of all parts; return how many of each were new. A row in two parts is new in the first."""
    rows = sorted({row[:3]: row for row in chain(*parts)}.values(), key=lambda row: row[:3])
    columns = [list(column) for column in zip(*rows, strict=True)]
    new = set(cursor.execute(INSERT_EVENTS, columns).fetchall()) if rows else set[Row]()
    counts = []
    for part in parts:
        keys = new & {row[:3] for row in part}
        counts.append(len(keys))
        new -= keys
    return counts


class _CursorTransaction:
    """A cursor in a transaction, with `?` for a value."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        return self.cursor.execute(_translate(sql), values)

    def executemany(self, sql: str, rows: Sequence[Row], /) -> Cursor:
        self.cursor.executemany(_translate(sql), rows)
        return self.cursor


def _translate(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
