"""Deleted users: what processes hold of them beside the event store is removed, too.

A deletion is a tombstone in the store. Each process reads the tombstones when it writes exposures, and every POLL_S
seconds; it then drops the users from its memory, and the first process to see a tombstone rewrites the exposure files.
"""

from __future__ import annotations

import fcntl
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import CarouselError
from components.io import atomic_file, write_json
from components.private import make_folder, private_opener, restrict
from components.serving.storage.compaction import exposures_lock
from components.serving.storage.event_store import EventStore

log = logging.getLogger("serving")
POLL_S = 2.0
APPLIED = ".erased.json"  # tombstone -> time (us) of the deletions that the folder's files were rewritten for
DELETE_LISTS = "DELETE FROM exposure_lists WHERE user_hash = ? AND at <= ?"  # of replicas, in their common database
NEVER = -(2**63)
ErasedAt = Callable[[str | None], int]  # time (us) up to which all of a user is removed; NEVER for other users


class ErasureLog:
    """The deletions that this process knows of, and the folder of exposure files that they are applied to."""

    def __init__(self, store: EventStore, folder: Path) -> None:
        """folder: of the exposure files. Nothing is read yet."""
        self.store, self.folder = store, folder
        self.on_erase: list[Callable[[ErasedAt], None]] = []  # remove erased users from memory; called in any thread
        self._known: dict[str, int] = {}
        self._stamp: str | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Apply earlier deletions as soon as the store answers, and later ones within POLL_S."""
        self._thread = threading.Thread(target=self._run, name="erasure", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def apply(self) -> None:
        """Remove deleted users from memory, files and the table of exposures. Raises CarouselError, OSError."""
        self.refresh()
        new = self._known.items() - _read_applied(self.folder).items()
        if new:
            if not self.store.is_local:
                self.store.transact(lambda transaction: transaction.executemany(DELETE_LISTS, sorted(new)))
            with exposures_lock(self.folder), self.writing(exclusive=True):
                known = dict(self._known)
                for file in sorted(self.folder.glob("*.parquet")):
                    _erase_rows(file, self.erased_at)
                write_json(self.folder / APPLIED, known)

    def refresh(self) -> None:
        """Read new deletions, and remove their users from the memory of this process. Raises StoreError."""
        with self._lock:
            stamp = self.store.erasure_stamp()
            if stamp == self._stamp:
                return
            self._known = self.store.erasures()
            self._stamp = stamp
        for callback in self.on_erase:
            callback(self.erased_at)

    def look_again(self) -> None:
        """Let the next process that starts apply all deletions again: files were written without knowing them."""
        (self.folder / APPLIED).unlink(missing_ok=True)

    def erased_at(self, user_id: str | None) -> int:
        """Return when the user was deleted (us); NEVER where that did not happen."""
        if user_id is None or not self._known:
            return NEVER
        return self._known.get(self.store.tombstone_of(user_id), NEVER)

    @contextmanager
    def writing(self, exclusive: bool = False) -> Iterator[None]:
        """Hold the lock of the files. New ones are written under a shared one, so that none is missed by a rewrite."""
        make_folder(self.folder)
        with open(self.folder / ".write.lock", "ab", opener=private_opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.apply()
            except (CarouselError, OSError) as error:  # such as a database that is away: at the next turn
                log.warning("deleted users: %s", error)
            self._stopping.wait(POLL_S)


def _read_applied(folder: Path) -> dict[str, int]:
    try:
        return dict(json.loads((folder / APPLIED).read_bytes()))
    except (FileNotFoundError, ValueError):
        return {}


def _erase_rows(file: Path, erased_at: ErasedAt) -> None:
    """Rewrite the file without the rows of erased users; remove it where none is left."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        ids = pq.read_table(file, columns=["user_id"], page_checksum_verification=True)["user_id"]
        users = pc.unique(ids).to_pylist()
        erased = {user: at for user in users if (at := erased_at(user)) != NEVER}
        if not erased:
            return
        table = pq.read_table(file, page_checksum_verification=True)
        until = np.array([erased.get(user, NEVER) for user in table["user_id"].to_pylist()])
        keep = table["timestamp"].cast(pa.int64()).to_numpy() > until
    except (OSError, pa.ArrowException, KeyError) as error:
        log.error("exposures: %s cannot be read (%s); if it holds rows of deleted users, they remain", file.name, error)
        return
    if not keep.any():
        file.unlink()
    elif not keep.all():
        with atomic_file(file, remove_leftovers=False) as temporary:
            pq.write_table(table.filter(pa.array(keep)), temporary, write_page_checksum=True)
            restrict(temporary)
