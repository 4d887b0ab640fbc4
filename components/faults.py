"""Crash points: `CRASH_AT=stage:point` in the environment kills the process there, so that a test can try each."""

import os
import signal


def crash_point(name: str) -> None:
    """Send SIGKILL to this process when the environment asks for a crash at `name`, such as "ingest:before"."""
    if os.environ.get("CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
