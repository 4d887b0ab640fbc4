"""The log of exposures: Parquet files of impressions in the columns of `events`, from which the next model can learn.

Lists are queued in memory until there are rows_per_file rows, or flush_s seconds have passed; then one file is written,
or rows of the database that replicas share.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.io import atomic_file
from components.private import make_folder, restrict
from components.serving.metrics import ServiceMetrics
from components.serving.storage.erasure import ErasedAt, ErasureLog
from components.serving.storage.event_store import StoreError

log = logging.getLogger("serving")
FINAL_ATTEMPTS = 5  # to write the queue when the service stops and writing fails


class Exposure(NamedTuple):
    """A list that was shown to a user, with its request, model version and experiment arm."""

    user_id: str | None
    item_ids: Sequence[str]  # best first
    timestamp: int  # us
    session_id: str | None
    request_id: str
    route: str
    version: int
    experiment: str | None
    arm: str | None
    rules: Sequence[str | None] | None = None  # of each product, the merchandising rule that moved it; None: of none


class ExposureLog:
    """A queue that any thread may add to without waiting for the disk, and a thread that writes complete files."""

    def __init__(
        self,
        folder: Path,
        rows_per_file: int,
        flush_s: float,
        max_queue_rows: int,
        metrics: ServiceMetrics,
        erasures: ErasureLog | None = None,
        write_shared: Callable[[Sequence[Exposure]], None] | None = None,
    ) -> None:
        """folder: of the Parquet files; max_queue_rows: beyond it new lists are dropped, and counted in the metrics.

        erasures: users whose lists are not written, because they were deleted. write_shared: writes lists where
        replicas on other machines write theirs; None: into the folder.
        """
        self.folder, self.write_shared = folder, write_shared
        self.erasures = erasures
        if erasures is not None:
            erasures.on_erase.append(self.drop_erased)
        self.rows_per_file = rows_per_file
        self.flush_s = flush_s
        self.max_queue_rows = max_queue_rows
        self.metrics = metrics
        self._queue: deque[Exposure] = deque()
        self._n_rows = 0  # in the queue
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that writes."""
        make_folder(self.folder)
        for file in self.folder.glob("*.parquet"):
            restrict(file)
        for leftover in self.folder.glob(".*.partial"):  # left by a process that was killed while writing
            if time.time() - leftover.stat().st_mtime > 60 * self.flush_s:
                leftover.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._run, name="exposures", daemon=True)
        self._thread.start()

    def add(self, exposure: Exposure) -> None:
        """Queue a list; where the queue is full the whole list is dropped, and counted."""
        n = len(exposure.item_ids)
        with self._lock:
            is_full = self._n_rows + n > self.max_queue_rows
            if not is_full:
                self._queue.append(exposure)
                self._n_rows += n
        if is_full:
            self.metrics.exposures_dropped.inc(n)
        elif self._n_rows >= self.rows_per_file:
            self._due.set()

    def drop_erased(self, erased_at: ErasedAt) -> None:
        """Remove waiting lists of deleted users."""
        with self._lock:
            for exposure in list(self._queue):
                if exposure.timestamp <= erased_at(exposure.user_id):
                    self._queue.remove(exposure)
                    self._n_rows -= len(exposure.item_ids)

    def stop(self) -> None:
        """Write the whole queue, and end the thread."""
        self._stopping = True
        self._due.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait(self.flush_s)
            self._due.clear()
            while self._queue and self._flush():
                pass
        attempts = 0
        while self._queue and attempts < FINAL_ATTEMPTS:
            attempts = 0 if self._flush(is_last=attempts == FINAL_ATTEMPTS - 1) else attempts + 1
            time.sleep(0.1 * attempts)
        if self._queue:
            log.error("exposures: %d rows could not be written and are lost", self._n_rows)
            self.metrics.exposures_dropped.inc(self._n_rows)

    def _flush(self, is_last: bool = False) -> bool:
        """Write one batch and return True; False where writing failed, with the rows back in the queue.

        is_last: write into the folder, even where the store does not say who was deleted; the next start looks again.
        """
        if self.erasures is None:
            return self._write(is_last)
        with self.erasures.writing():
            try:
                self.erasures.refresh()
            except StoreError as error:
                log.warning("exposures: %s; they wait", error)
                if not is_last:
                    return False
                self.erasures.look_again()
            return self._write(is_last)

    def _write(self, is_last: bool) -> bool:
        batch, n = list[Exposure](), 0
        with self._lock:
            while self._queue and n < self.rows_per_file:
                batch.append(self._queue.popleft())
                n += len(batch[-1].item_ids)
        if not n:
            return True
        try:
            if self.write_shared is None or is_last:  # a file of this machine is better than nothing
                write_exposures(self.folder / f"{batch[0].timestamp}-{uuid.uuid4().hex[:12]}.parquet", batch)
            else:
                self.write_shared(batch)
        except (OSError, StoreError) as error:
            log.warning("exposures: %s; %d rows stay in the queue", error, n)
            with self._lock:
                self._queue.extendleft(reversed(batch))
            return False
        with self._lock:
            self._n_rows -= n
        self.metrics.exposures.inc(n)
        return True


def write_exposures(path: Path, exposures: Sequence[Exposure]) -> None:
    """Write one Parquet file, with an impression for each product of the lists.

    The columns are those of `events` (position counts from 1; propensity, the probability that the policy shows the
    product at this position, is 1, because lists are deterministic), then those of `Exposure`; `rule` is the id of the
    merchandising rule that moved the product from its position in the model's list, null where none did.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    lengths = np.array([len(exposure.item_ids) for exposure in exposures])
    n, row = int(lengths.sum()), np.repeat(np.arange(len(exposures)), lengths)

    def per_list(values: Iterable[object], kind: pa.DataType) -> pa.Array:
        return pa.array(list(values), kind).take(pa.array(row))

    text = pa.string()
    first = np.cumsum(lengths) - lengths
    columns = {
        "user_id": per_list((exposure.user_id for exposure in exposures), text),
        "item_id": pa.array([item_id for exposure in exposures for item_id in exposure.item_ids], text),
        "timestamp": per_list((exposure.timestamp for exposure in exposures), pa.timestamp("us", "UTC")),
        "event": pa.repeat("impression", n),
        "quantity": pa.nulls(n, pa.float64()),
        "price": pa.nulls(n, pa.float64()),
        "session_id": per_list((exposure.session_id for exposure in exposures), text),
        "position": pa.array(np.arange(n) - first[row] + 1, pa.int64()),
        "propensity": pa.repeat(1.0, n),
        "request_id": per_list((exposure.request_id for exposure in exposures), text),
        "route": per_list((exposure.route for exposure in exposures), text),
        "version": per_list((exposure.version for exposure in exposures), pa.int32()),
        "experiment": per_list((exposure.experiment for exposure in exposures), text),
        "arm": per_list((exposure.arm for exposure in exposures), text),
        "rule": pa.array([rule for e in exposures for rule in e.rules or [None] * len(e.item_ids)], text),
    }
    with atomic_file(path, remove_leftovers=False) as temporary:  # a new name each time, among many files
        pq.write_table(pa.table(columns), temporary, write_page_checksum=True)
        restrict(temporary)
