"""The audit log: one line of JSON for each call of an admin route, in a bounded number of files of bounded size."""

import fcntl
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from components.io import write_bytes
from components.private import make_folder, private_opener, restrict

log = logging.getLogger("serving")
MAX_BYTES = 5_000_000  # of a file; some 40,000 lines
N_OLDER = 4  # full files beside the current one: audit.jsonl.1 is the newest
SUMMARY_S = 60.0  # seconds between two lines of refusals that were slowed


class AuditLog:
    """Appends lines to a file that all processes of the service share. No user, no token."""

    def __init__(self, file: Path, max_bytes: int = MAX_BYTES, n_older: int = N_OLDER) -> None:
        self.file, self.max_bytes, self.n_older = file, max_bytes, n_older
        self._n_slowed, self._summary_at = 0, -SUMMARY_S

    def write(self, what: str, outcome: str, request_id: str = "", n: int = 1, by: str = "") -> None:
        """Append a line: time, route or change, outcome. n: calls that it stands for. by: who, as they said."""
        log.warning("admin: %s %s%s", what, outcome, f" ({n} calls)" if n > 1 else "")
        fields = {"time": round(time.time(), 3), "what": what, "outcome": outcome, "request_id": request_id}
        more = ({"calls": n} if n > 1 else {}) | ({"by": by} if by else {})
        line = json.dumps(fields | more).encode() + b"\n"
        make_folder(self.file.parent)
        with self._locked():
            if self.file.exists() and self.file.stat().st_size + len(line) > self.max_bytes:
                self._rotate()
            with open(self.file, "ab", opener=private_opener) as file:
                file.write(line)

    def write_slowed(self, what: str, request_id: str) -> None:
        """Count a refused call among many; a line says once a minute how many there were, so that none fill the log."""
        self._n_slowed += 1
        if time.monotonic() - self._summary_at >= SUMMARY_S:
            self._summary_at, n, self._n_slowed = time.monotonic(), self._n_slowed, 0
            self.write(what, "refused", request_id, n)

    def remove_before(self, before: datetime, dry_run: bool) -> int:
        """Remove lines that are older than a time, from all files; return how many bytes."""
        size = 0
        with self._locked() if self.file.exists() else nullcontext():
            for file in self.file.parent.glob(f"{self.file.name}*"):
                content = file.read_bytes()
                lines = content.splitlines(keepends=True)
                newer = b"".join(line for line in lines if json.loads(line)["time"] >= before.timestamp())
                size += len(content) - len(newer)
                if dry_run or newer == content:
                    continue
                if newer or file == self.file:
                    write_bytes(file, newer)
                    restrict(file)
                else:
                    file.unlink()
        return size

    def _rotate(self) -> None:
        names = [self.file, *(self.file.with_name(f"{self.file.name}.{n + 1}") for n in range(self.n_older))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.file.with_suffix(".lock"), "ab", opener=private_opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # for microseconds; released with the file
            yield
