"""The service as a separate process: starting it, requests to it, its worker processes, and waiting for a state."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.components.serving.support import ROOT

START = """
import logging, pathlib, sys
from components.params import load
from components.serving.http.app import serve
from components.settings import Settings
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    settings = Settings(home=pathlib.Path(sys.argv[1])).resolved(pathlib.Path())
    serve(settings, load(pathlib.Path("params.yaml"), [], sys.argv[2:]))
"""


def service(home: Path, port: int, *knobs: str, **environment: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the service with these parameters until the context ends; its log is home/serve.log."""
    script = home / "start.py"  # worker processes import it again
    script.write_text(START)
    command = [sys.executable, str(script), str(home), f"serving.port={port}", "serving.poll_s=0.05", *knobs]
    return running(home, command, **environment)


@contextmanager
def running(home: Path, command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the checkout until the context ends; its output is appended to home/serve.log."""
    with (home / "serve.log").open("a") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def ask(port: int, path: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"} | (headers or {})
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_until_version(port: int, number: int, wait_s: float = 60) -> None:
    deadline, answered = time.monotonic() + wait_s, None
    while answered != number:
        assert time.monotonic() < deadline, f"still {answered}, not {number}"
        try:
            answered = ask(port, "/readyz")[1].get("version")
        except OSError as error:
            answered = error
        time.sleep(0.02)


def wait_until(is_done: Callable[[], object], wait_s: float = 120) -> None:
    deadline = time.monotonic() + wait_s
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def both_workers_assign(port: int, version: int) -> bool:
    """Return whether 40 requests, each on its own connection, reach both workers and are assigned this version."""
    replies = [ask(port, "/experiment", {"user_id": "ann"}) for _ in range(40)]
    if {status for status, _ in replies} != {200}:
        return False
    processes = {answer["request_id"][:16] for _, answer in replies}
    return {answer["version"] for _, answer in replies} == {version} and len(processes) == 2


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def clients(n: int, ask_again: Callable[[], None]) -> Iterator[None]:
    """Call it repeatedly in n threads until the context ends; an error of a thread is raised here."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            ask_again()

    with ThreadPoolExecutor(n) as pool:
        asking = [pool.submit(repeat) for _ in range(n)]
        try:
            yield
        finally:
            stop.set()
        for one in asking:
            one.result(20)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Return the pids of the service's worker processes."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def memory(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
