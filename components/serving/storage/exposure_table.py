"""Exposures of replicas on several machines: a table of their common database, from which one machine collects them.

A row is a list. The machine that runs the flows moves the rows to files of its folder, which everything else reads.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from components.serving.storage.compaction import exposures_lock
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.event_store import EventStore
from components.serving.storage.exposures import Exposure, write_exposures
from components.serving.storage.transactions import Transaction

log = logging.getLogger("serving")
LISTS_PER_FILE = 20_000
INSERT = "INSERT INTO exposure_lists VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING"
SELECT_FILE = "SELECT file FROM exposure_lists WHERE file IS NOT NULL LIMIT 1"
MARK = """
UPDATE exposure_lists SET file = ? WHERE list_id IN (
SELECT list_id FROM exposure_lists WHERE file IS NULL ORDER BY at, list_id LIMIT ?)
"""
SELECT_LISTS = "SELECT content FROM exposure_lists WHERE file = ? ORDER BY at, list_id"
DELETE_LISTS = "DELETE FROM exposure_lists WHERE file = ?"


def add_exposures(store: EventStore, exposures: Sequence[Exposure]) -> None:
    """Store lists in the database; a list that is stored again counts once. Raises StoreError."""
    rows = []
    for exposure in exposures:
        content = json.dumps(exposure, ensure_ascii=True)
        user_hash = None if exposure.user_id is None else store.tombstone_of(exposure.user_id)
        rows.append((sha256(content.encode()).hexdigest()[:32], exposure.timestamp, user_hash, content))
    store.transact(lambda transaction: transaction.executemany(INSERT, rows))


def collect_exposures(store: EventStore, folder: Path) -> int:
    """Move the lists of all replicas to files of the folder; return how many. Of a store on this machine: none.

    Lists of deleted users are left out. A call that was killed has marked the lists of the file that it wrote, and the
    next one writes that file again. Two machines must not collect at once. Raises StoreError, OSError.
    """
    if store.is_local:
        return 0
    erasures, n_lists = ErasureLog(store, folder), 0
    with exposures_lock(folder), erasures.writing():
        erasures.refresh()
        while (name := _mark(store)) is not None:
            lists = [Exposure(*json.loads(content)) for (content,) in store.query(SELECT_LISTS, name)]
            left = [one for one in lists if one.timestamp > erasures.erased_at(one.user_id)]
            if left:
                write_exposures(folder / f"{left[0].timestamp}-{name}.parquet", left)
            store.transact(lambda transaction, name=name: transaction.execute(DELETE_LISTS, (name,)))  # type: ignore[misc]
            n_lists += len(left)
    erasures.apply()  # of users who were deleted meanwhile
    return n_lists


def _mark(store: EventStore) -> str | None:
    """Mark the oldest lists with the name of their file, where no killed call has left some; None where there are none.

    All of a list's rows are in one file, whose name stays the same until they are deleted.
    """

    def work(transaction: Transaction) -> str | None:
        left = transaction.execute(SELECT_FILE).fetchall()
        if left:
            return str(left[0][0])
        name = uuid.uuid4().hex[:12]
        return name if transaction.execute(MARK, (name, LISTS_PER_FILE)).rowcount else None

    return store.transact(work)
