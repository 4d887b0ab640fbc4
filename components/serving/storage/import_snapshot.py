"""Import of the shop's snapshot into the event store, so that a new service knows the users' histories."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from components.io import sha256_bytes
from components.privacy.consent import COLUMN
from components.serving.storage.event_store import EventStore, StoredEvent

log = logging.getLogger("serving")
BATCH_ROWS = 50_000
QUERY = """
SELECT user_id, epoch_us(timestamp), item_id, event, quantity, price, session_id, position, NULL, {consent}
FROM read_parquet($1, hive_partitioning = false)
WHERE user_id IS NOT NULL AND event <> 'impression'
"""


def import_snapshot(store: EventStore, snapshot: Path) -> int:
    """Insert the snapshot's events of known users, without impressions; return how many were new.

    Does nothing for a snapshot that does not exist or was imported before. Deleted users stay deleted.
    """
    import duckdb

    files = sorted((snapshot / "events").glob("**/*.parquet"))
    if not files:
        return 0
    listing = "\n".join(f"{path.relative_to(snapshot)} {path.stat().st_size}" for path in files)
    info = snapshot / "snapshot.json"
    digest = sha256_bytes(listing.encode() + (info.read_bytes() if info.is_file() else b""))
    if store.get_meta("snapshot") == digest:
        return 0
    n_new, tombstones = 0, store.tombstones()
    with duckdb.connect() as database:
        names = [str(path) for path in files]
        has_consent = (COLUMN,) in database.execute("SELECT name FROM parquet_schema($1)", [names]).fetchall()
        events = database.execute(QUERY.format(consent=COLUMN if has_consent else "NULL"), [names])
        while rows := events.fetchmany(BATCH_ROWS):
            n_new += store.bulk_insert(_without_deleted(store, rows, tombstones))
    store.set_meta("snapshot", digest)
    log.info("%d events of the snapshot imported into the event store", n_new)
    return n_new


def _without_deleted(
    store: EventStore, rows: list[tuple[object, ...]], tombstones: frozenset[str]
) -> Iterator[StoredEvent]:
    events = [StoredEvent(*row) for row in rows]  # type: ignore[arg-type]
    if tombstones:
        users = {event.user_id for event in events}
        deleted = {user for user in users if store.tombstone_of(user) in tombstones}
        events = [event for event in events if event.user_id not in deleted]
    yield from events
