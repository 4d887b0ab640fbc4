"""One at a time, across processes: a file that the kernel unlocks when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import BusyError

POLL_S = 0.1


@contextmanager
def file_lock(path: Path, purpose: str, wait_s: float) -> Iterator[None]:
    """Hold the lock; wait for it at most wait_s. Raises BusyError saying which process holds it, and for what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with path.open("a+", encoding="utf-8") as file:
        while not _take(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise BusyError(f"{purpose}: waited {wait_s:g} s for {file.read().strip() or path.name}; try again")
            time.sleep(POLL_S)
        file.truncate(0)
        file.write(f"{purpose} by process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
