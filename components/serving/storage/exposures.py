"""What was shown to whom: impressions in the columns of `events`, so that the next model can learn from them.

Rows wait in memory until there are enough, or they are old enough, and then become one Parquet file of their own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.io import atomic_file
from components.serving.metrics import ServiceMetrics

log = logging.getLogger("serving")
LAST_TRIES = 5  # of a disk that refuses, when the service ends


class Exposure(NamedTuple):
    """A list that was shown: which request, version and arm showed it to whom."""

    user_id: str | None
    item_ids: Sequence[str]  # the first is the first place
    timestamp: int  # us
    session_id: str | None
    request_id: str
    route: str
    version: int
    experiment: str | None
    arm: str | None


class ExposureLog:
    """Takes rows from any thread, never waits for the disk, and writes files that are whole or not there."""

    def __init__(
        self, folder: Path, rows_per_file: int, seconds: float, max_waiting: int, metrics: ServiceMetrics
    ) -> None:
        """folder: of Parquet files; max_waiting: rows in memory, beyond which new ones are dropped and counted."""
        self.folder = folder
        self.rows_per_file = rows_per_file
        self.seconds = seconds
        self.max_waiting = max_waiting
        self.metrics = metrics
        self._lists: deque[Exposure] = deque()
        self._n = 0  # rows of these lists
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write in the background."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*.partial"):  # of a process that was killed while it wrote
            if time.time() - left.stat().st_mtime > 60 * self.seconds:
                left.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._follow, name="exposures", daemon=True)
        self._thread.start()

    def add(self, shown: Exposure) -> None:
        """Take one list, all of it or nothing: where too many rows wait, it is dropped, and counted."""
        n = len(shown.item_ids)
        with self._lock:
            full = self._n + n > self.max_waiting
            if not full:
                self._lists.append(shown)
                self._n += n
        if full:
            self.metrics.exposures_dropped.inc(n)
        elif self._n >= self.rows_per_file:
            self._due.set()

    def stop(self) -> None:
        """Write everything that waits."""
        self._stopping = True
        self._due.set()
        if self._thread:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stopping:
            self._due.wait(self.seconds)
            self._due.clear()
            while self._lists and self._flush():
                pass
        tries = 0
        while self._lists and tries < LAST_TRIES:
            tries = 0 if self._flush() else tries + 1
            time.sleep(0.1 * tries)
        if self._lists:
            log.error("exposures: %d rows could not be written and are lost", self._n)
            self.metrics.exposures_dropped.inc(self._n)

    def _flush(self) -> bool:
        """Write one file; False where the disk refused: the rows go on waiting."""
        taken, n = list[Exposure](), 0
        with self._lock:
            while self._lists and n < self.rows_per_file:
                taken.append(self._lists.popleft())
                n += len(taken[-1].item_ids)
        if not n:
            return True
        try:
            write(self.folder / f"{taken[0].timestamp}-{uuid.uuid4().hex[:12]}.parquet", taken)
        except OSError as error:
            log.warning("exposures: %s; %d rows go on waiting", error, n)
            with self._lock:
                self._lists.extendleft(reversed(taken))
            return False
        with self._lock:
            self._n -= n
        self.metrics.exposures.inc(n)
        return True


def write(path: Path, lists: Sequence[Exposure]) -> None:
    """Write a row for each product of the lists as one Parquet file, which appears whole.

    The columns are those of `events` (an impression each; position 1 is the first place; propensity, the chance that
    the policy shows the product there, is 1: lists are not drawn), then those of `Exposure`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    lengths = np.array([len(shown.item_ids) for shown in lists])
    n, row = int(lengths.sum()), np.repeat(np.arange(len(lists)), lengths)

    def of_list(values: Iterable[object], kind: pa.DataType) -> pa.Array:
        return pa.array(list(values), kind).take(pa.array(row))

    nothing, text = pa.nulls(n, pa.float64()), pa.string()
    first = np.cumsum(lengths) - lengths
    columns = {
        "user_id": of_list((shown.user_id for shown in lists), text),
        "item_id": pa.array([item_id for shown in lists for item_id in shown.item_ids], text),
        "timestamp": of_list((shown.timestamp for shown in lists), pa.timestamp("us", "UTC")),
        "event": pa.repeat("impression", n),
        "quantity": nothing,
        "price": nothing,
        "session_id": of_list((shown.session_id for shown in lists), text),
        "position": pa.array(np.arange(n) - first[row] + 1, pa.int64()),
        "propensity": pa.repeat(1.0, n),
        "request_id": of_list((shown.request_id for shown in lists), text),
        "route": of_list((shown.route for shown in lists), text),
        "version": of_list((shown.version for shown in lists), pa.int32()),
        "experiment": of_list((shown.experiment for shown in lists), text),
        "arm": of_list((shown.arm for shown in lists), text),
    }
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, write_page_checksum=True)
