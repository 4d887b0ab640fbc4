"""Group commit: one thread writes the events of all requests, those that arrive together in one transaction."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from components.serving.storage.idempotency import Claim

Row = tuple[Any, ...]
MAX_COMMIT_ROWS = 2000
log = logging.getLogger("serving")


class Batch(NamedTuple):
    """The rows of one request. claim: of its idempotency key, if it has one."""

    rows: list[Row]
    claim: Claim | None = None


class CommitQueue:
    """Queues rows of many requests for a common commit."""

    def __init__(self, commit: Callable[[list[Batch]], Sequence[int | Exception]]) -> None:
        """commit: returns the number of new rows of each batch, or why it is refused. Starts the thread."""
        self._commit = commit
        self._waiting: queue.SimpleQueue[tuple[Batch, Future[int]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> Future[int]:
        """Return a future of the number of new rows; it resolves to it once they are durable, or to the error."""
        done: Future[int] = Future()
        self._waiting.put((batch, done))
        return done

    def close(self, timeout_s: float) -> None:
        """Commit the waiting rows, and end the thread."""
        self._waiting.put(None)
        self._thread.join(timeout=timeout_s)

    def _run(self) -> None:
        is_open = True
        while is_open:
            taken = [self._waiting.get()]
            while sum(len(part[0].rows) for part in taken if part) < MAX_COMMIT_ROWS and not self._waiting.empty():
                taken.append(self._waiting.get())
            is_open = None not in taken
            parts = [part for part in taken if part is not None]
            if not parts:
                continue
            try:
                results = self._commit([batch for batch, _ in parts])
            except Exception as error:  # of any type: requests wait for it, and the thread must not end
                log.warning("events were not written: %s", error)
                for _, done in parts:
                    done.set_exception(error)
                continue
            for (_, done), result in zip(parts, results, strict=True):
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)
