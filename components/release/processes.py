"""Run a command in its own process group, with a timeout; the group ends with the command or with our process.

Run as a script, this file is the guard: it starts the command and kills the whole group when its standard input closes,
which happens even when the parent was killed by SIGKILL. So no orphaned process keeps a lock.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT_LINES = 200  # last lines of the output, for the error message
GRACE_S = 10.0  # between SIGTERM and SIGKILL: time to write a checkpoint


@dataclass(frozen=True)
class ProcessResult:
    """How a command ended."""

    code: int
    timed_out: bool
    seconds: float
    lines: list[str]  # the last KEPT_LINES of output and errors


def run_guarded(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float, log: logging.Logger
) -> ProcessResult:
    """Return how the command ended; its output is logged line by line.

    After timeout_s it gets SIGTERM, and after GRACE_S more SIGKILL, with its children.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, *command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin
    assert stdout
    timed_out = threading.Event()

    def expire() -> None:
        timed_out.set()
        stdin.close()

    timer = threading.Timer(timeout_s, expire)
    timer.daemon = True
    timer.start()
    try:
        lines = log_lines(stdout, log)
        os.waitid(
            os.P_PID, process.pid, os.WEXITED | os.WNOWAIT
        )  # waits without reaping: the process id stays reserved
    finally:
        timer.cancel()
        stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # children that the command left running
        process.wait()
        stdout.close()
    return ProcessResult(process.returncode, timed_out.is_set(), time.monotonic() - started, lines)


def log_lines(stream: Iterable[str], log: logging.Logger) -> list[str]:
    """Log the lines of an output until its end; return the last KEPT_LINES of them."""
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    for line in stream:
        if text := line.rstrip():
            lines.append(text)
            log.info("%s", text)
    return list(lines)


def guard(command: Sequence[str]) -> int:
    """Run the command in this process's group; return its exit code. The group ends when standard input closes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the guard must survive the SIGTERM that it sends to its group
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_restore_sigterm)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _restore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
