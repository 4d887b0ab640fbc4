"""One at a time: a file lock that says who holds it, and that a dead process lets go by itself."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.errors import BusyError


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock; raises BusyError at once, saying who holds it and since when, where another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise BusyError(f"another {_holder(file.read())}; wait for it to end, then start {what} again") from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"what": what, "pid": os.getpid(), "since": since}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
    except ValueError:
        return "run holds the lock"
    return f"{holder['what']} runs since {holder['since']} (process {holder['pid']})"
