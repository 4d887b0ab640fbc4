"""Group commit: one thread writes the events of all requests, those that arrive together in one transaction."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Row = tuple[Any, ...]
MAX_COMMIT_ROWS = 2000
log = logging.getLogger("serving")


class CommitQueue:
    """Queues rows of many requests for a common commit."""

    def __init__(self, commit: Callable[[list[list[Row]]], list[int]]) -> None:
        """commit: takes the rows of each request, and returns the number of new rows of each. Starts the thread."""
        self._commit = commit
        self._waiting: queue.SimpleQueue[tuple[list[Row], Future[int]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def put(self, rows: list[Row]) -> Future[int]:
        """Return a future of the number of new rows; it resolves to it once they are durable, or to the error."""
        done: Future[int] = Future()
        self._waiting.put((rows, done))
        return done

    def close(self, timeout_s: float) -> None:
        """Commit the waiting rows, and end the thread."""
        self._waiting.put(None)
        self._thread.join(timeout=timeout_s)

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            while sum(len(part[0]) for part in batch if part) < MAX_COMMIT_ROWS and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = None not in batch
            parts = [part for part in batch if part is not None]
            if not parts:
                continue
            try:
                counts = self._commit([rows for rows, _ in parts])
            except Exception as error:  # of any type: requests wait for it, and the thread must not end
                log.warning("events were not written: %s", error)
                for _, done in parts:
                    done.set_exception(error)
                continue
            for (_, done), count in zip(parts, counts, strict=True):
                done.set_result(count)
