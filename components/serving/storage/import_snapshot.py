"""Histories of the shop's snapshot, taken into the service's store once, so that it knows the users from the start."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from components.serving.storage.event_store import EventStore, StoredEvent, tombstone

log = logging.getLogger("serving")
BATCH = 50_000  # rows read at once
QUERY = """
SELECT user_id, epoch_us(timestamp), item_id, event, quantity, price, session_id, position
FROM read_parquet($1, hive_partitioning = false)
WHERE user_id IS NOT NULL AND event <> 'impression'
"""


def import_snapshot(state: EventStore, snapshot: Path) -> int:
    """Take in the events of the snapshot's users, without impressions; return how many were new.

    A snapshot that is not there, or was taken in before, costs nothing. Users who were forgotten stay forgotten.
    """
    import duckdb

    files = sorted((snapshot / "events").glob("**/*.parquet"))
    if not files:
        return 0
    told = "\n".join(f"{path.relative_to(snapshot)} {path.stat().st_size}" for path in files)
    about = snapshot / "snapshot.json"
    digest = sha256(told.encode() + (about.read_bytes() if about.is_file() else b"")).hexdigest()
    if state.get_meta("snapshot") == digest:
        return 0
    new, forgotten = 0, state.tombstones()
    with duckdb.connect() as database:
        found = database.execute(QUERY, [[str(path) for path in files]])
        while rows := found.fetchmany(BATCH):
            new += state.bulk_insert(_happened(rows, forgotten))
    state.set_meta("snapshot", digest)
    log.info("%d events of the snapshot taken into the service's store", new)
    return new


def _happened(rows: list[tuple[object, ...]], forgotten: frozenset[str]) -> Iterator[StoredEvent]:
    for row in rows:
        happened = StoredEvent(*row)  # type: ignore[arg-type]
        if not forgotten or tombstone(happened.user_id) not in forgotten:
            yield happened
