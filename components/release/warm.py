"""Runs a command in a process that was forked from one with all libraries imported, instead of a fresh interpreter.

DVC (dvc_repro.py) and the stages that it starts (`python -m components.stages.X`) then spend no seconds on imports. DVC
finds a small script named `python` in PATH (warm_client.py), which asks the same process (warm_server.py). Without that
process everything runs as usual, with the same results.
"""

from __future__ import annotations

import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from components.release import warm_client
from components.release.processes import GRACE_S, ProcessResult, log_lines
from components.release.warm_client import SOCKET, send

DVC = (  # what `dvc repro` imports
    "dvc.cli.parser", "dvc.commands.repro", "dvc.repo.reproduce", "dvc.repo.datasets", "dvc.stage.cache", "dvc.dvcfile",
    "dvc.parsing", "dvc.output", "dvc.ignore", "dvc.cachemgr", "dvc.data_cloud", "dvc.lock", "dvc.scm", "ruamel.yaml",
)  # fmt: skip
LIBRARIES = (  # of the stages, in the order of the stages that need them
    *DVC, "pandas", "pyarrow.parquet", "pydantic_settings", "safetensors", "ibis.backends.duckdb", "pandera.ibis",
    "torch", "scipy.sparse", "scipy.stats", "sklearn.linear_model", "sklearn.metrics",
    "transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert", "lightning.pytorch", "lightning.pytorch.loggers", "evidently.presets",
)  # fmt: skip
SERVER = "components.release.warm_server"

ASK_DRIVER = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # a library that asks for GPUs must not start CUDA before a fork


@contextmanager
def warm_process(root: Path, libraries: Sequence[str] | None = None, at_once: bool = False) -> Iterator[dict[str, str]]:
    """Yield the environment in which commands of the workspace find its warm process; it ends with the block.

    libraries: what it imports; None: LIBRARIES. at_once: it imports from the start, not from the first command on:
    for a run whose stages will not all be skipped.
    """
    libraries = LIBRARIES if libraries is None else libraries
    with tempfile.TemporaryDirectory(prefix="carousel-") as folder:
        path = Path(folder) / "socket"
        call = shlex.join([sys.executable, "-IS", warm_client.__file__, sys.executable])
        script = Path(folder) / "python"
        script.write_text(f'#!/bin/sh\nexec {call} "$@"\n', encoding="utf-8")
        script.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(str(path))
            except OSError:  # the path of the temporary folder is too long for a socket
                yield {}
                return
            listener.listen()
            server = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(listener.fileno()), str(int(at_once)), *libraries],
                cwd=root,
                env=os.environ | ASK_DRIVER,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        try:
            yield {SOCKET: str(path)}
        finally:
            assert server.stdin
            server.stdin.close()
            server.wait()


def run_warm(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float, log: logging.Logger
) -> ProcessResult | None:
    """Return how the command ["-m", module, *arguments] ended; None where no warm process answers: nothing was run.

    Output, timeout and the end of its children are those of processes.run_guarded.
    """
    started = time.monotonic()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(env[SOCKET])
            output = _ask(connection, command, cwd, env)
        except (OSError, KeyError):
            return None
        with connection.makefile("r") as answers, os.fdopen(output, errors="replace") as lines:
            first = answers.readline()
            if not first:
                return None
            with _deadline(int(first), timeout_s) as timed_out:
                last = log_lines(lines, log)
                code = int(answers.readline() or -signal.SIGKILL)  # no code: the warm process was killed
    seconds = time.monotonic() - started
    return ProcessResult(code if code >= 0 else 128 - code, timed_out.is_set(), seconds, last)


def search_path(env: Mapping[str, str]) -> list[str]:
    """Return the folder in front of PATH that holds the script named `python`; none without a warm process."""
    return [str(Path(env[SOCKET]).parent)] if SOCKET in env else []


def _ask(connection: socket.socket, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> int:
    """Send the request; return the descriptor from which the command's output is read."""
    read_end, write_end = os.pipe()
    try:
        with Path(os.devnull).open("rb") as empty:
            files = [empty.fileno(), write_end, write_end]
            send(connection, list(command), str(cwd), dict(env), files, leads=True)
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    return read_end


@contextmanager
def _deadline(group: int, timeout_s: float) -> Iterator[threading.Event]:
    """End the process group after timeout_s, SIGKILL GRACE_S after SIGTERM, and at once when the block is left.

    Yields an event that is set where the time is over. The server keeps the group's id until the connection closes.
    """
    timed_out, over = threading.Event(), threading.Event()

    def expire() -> None:
        if over.wait(timeout_s):
            return
        timed_out.set()
        _kill(group, signal.SIGTERM)
        if not over.wait(GRACE_S):
            _kill(group, signal.SIGKILL)

    thread = threading.Thread(target=expire, daemon=True)
    thread.start()
    try:
        yield timed_out
    finally:
        over.set()
        thread.join()
        _kill(group, signal.SIGKILL)


def _kill(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
