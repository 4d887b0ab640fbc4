"""A temporary Prefect server for one run from the command line; it ends with the run, even after kill -9.

Prefect's own ephemeral server survives a killed run, and starts only when the first flow does.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from components.release import processes

log = logging.getLogger(__name__)
START_S = 120.0  # longest wait for a server started here: seconds, longer on a busy machine
FOREIGN_START_S = 10.0  # longest wait for the server of PREFECT_API_URL
STOP_S = 15.0  # longest wait for the last states to be written
SERVER_ENV = {  # as Prefect sets it for its own ephemeral servers
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
Ready = Callable[[], bool]


@contextmanager
def temporary_server(home: Path) -> Iterator[Ready]:
    """Start a server on home's database, or use that of PREFECT_API_URL; yield a function that waits until it answers.

    It returns False when no server answers: the run is not recorded. Import Prefect inside this context only.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield lambda: _wait_for_health(given, FOREIGN_START_S, None)
        return
    port = _free_port()
    address = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_API_URL"] = address
    log_file = home / "prefect-cli.log"
    with log_file.open("ab") as output:
        process = _start(port, output.fileno())
    try:
        yield lambda: _wait_for_health(address, START_S, process)
    finally:
        del os.environ["PREFECT_API_URL"]
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_flow(home: Path, module: str, name: str, /, **parameters: Any) -> Any:
    """Run the flow `name` of the module, recorded by Prefect where a server answers; return its value.

    The module is imported while the server starts.
    """
    with temporary_server(home) as ready:
        flow = getattr(import_module(module), name)
        from flows.tasks import unwrap

        return unwrap((flow if ready() else flow.fn)(**parameters))


def _start(port: int, output: int) -> subprocess.Popen[bytes]:
    """Start uvicorn under a guard that ends it when its standard input closes."""
    import prefect

    app = ["--app-dir", str(prefect.__module_path__.parent), "--factory", "prefect.server.api.server:create_app"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    return subprocess.Popen(
        [sys.executable, "-I", processes.__file__, sys.executable, "-m", "uvicorn", *app, *options],
        env={**os.environ, **SERVER_ENV},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _wait_for_health(address: str, wait_s: float, process: subprocess.Popen[bytes] | None) -> bool:
    deadline = time.monotonic() + wait_s
    problem = "no answer"
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310  http, by Prefect's own setting
                return True
        except (OSError, ValueError) as error:
            problem = str(error)
        time.sleep(0.1)
    log.warning("Prefect at %s: %s; the run goes on unrecorded", address, problem)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
