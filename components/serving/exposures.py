"""What was shown to whom: impressions in the columns of `events`, so that the next model can learn from them.

Rows wait in memory until there are enough, or they are old enough, and then become one Parquet file of their own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from pathlib import Path
from typing import NamedTuple

from components.serving.meters import Meters

log = logging.getLogger("serving")
LAST_TRIES = 5  # of a disk that refuses, when the service ends


class Exposure(NamedTuple):
    """One product in one list. Beside the columns of `events`: which request, version and arm showed it."""

    user_id: str | None
    item_id: str
    timestamp: int  # us
    event: str  # "impression"
    quantity: float | None
    price: float | None
    session_id: str | None
    position: int  # 1 is the first place
    propensity: float | None  # chance that the policy shows the product there; lists that are not drawn: 1
    request_id: str
    route: str
    version: int
    experiment: str | None
    arm: str | None


class ExposureLog:
    """Takes rows from any thread, never waits for the disk, and writes files that are whole or not there."""

    def __init__(self, folder: Path, rows_per_file: int, seconds: float, max_waiting: int, meters: Meters) -> None:
        """folder: of Parquet files; max_waiting: rows in memory, beyond which new ones are dropped and counted."""
        self.folder = folder
        self.rows_per_file = rows_per_file
        self.seconds = seconds
        self.max_waiting = max_waiting
        self.meters = meters
        self._rows: deque[Exposure] = deque()
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

    def add(self, rows: list[Exposure]) -> None:
        """Take the rows of one list, all or none: where too many wait, they are dropped, and counted."""
        if len(self._rows) + len(rows) > self.max_waiting:
            self.meters.exposures_dropped.inc(len(rows))
            return
        self._rows.extend(rows)
        if len(self._rows) >= self.rows_per_file:
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
            while self._rows and self._flush():
                pass
        tries = 0
        while self._rows and tries < LAST_TRIES:
            tries = 0 if self._flush() else tries + 1
            time.sleep(0.1 * tries)
        if self._rows:
            log.error("exposures: %d rows could not be written and are lost", len(self._rows))
            self.meters.exposures_dropped.inc(len(self._rows))

    def _flush(self) -> bool:
        """Write one file; False where the disk refused: the rows go on waiting."""
        rows = [self._rows.popleft() for _ in range(min(len(self._rows), self.rows_per_file))]
        try:
            write(self.folder / f"{rows[0].timestamp}-{uuid.uuid4().hex[:12]}.parquet", rows)
        except OSError as error:
            log.warning("exposures: %s; %d rows go on waiting", error, len(rows))
            self._rows.extendleft(reversed(rows))
            return False
        self.meters.exposures.inc(len(rows))
        return True


def write(path: Path, rows: list[Exposure]) -> None:
    """Write rows as one Parquet file, which appears whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([
        ("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.timestamp("us", "UTC")),
        ("event", pa.string()), ("quantity", pa.float64()), ("price", pa.float64()), ("session_id", pa.string()),
        ("position", pa.int64()), ("propensity", pa.float64()), ("request_id", pa.string()), ("route", pa.string()),
        ("version", pa.int32()), ("experiment", pa.string()), ("arm", pa.string()),
    ])  # fmt: skip
    columns = [
        pa.array(list(values), field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), partial, write_page_checksum=True)
    partial.replace(path)
