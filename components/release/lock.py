"""A file lock that names its holder and is released when the holder's process ends."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.errors import BusyError

POLL_S = 0.1


@contextmanager
def exclusive_lock(path: Path, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock; raises BusyError, naming the holder and since when, if it is not free within wait_s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if not _acquire(file.fileno(), wait_s):
            file.seek(0)
            raise BusyError(f"{_holder(file.read())}; wait for it to end, then start {what} again") from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"what": what, "pid": os.getpid(), "since": since}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _acquire(handle: int, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        else:
            return True


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
    except ValueError:
        return "another run holds the lock"
    return f"{holder['what']} runs since {holder['since']} (pid {holder['pid']})"
