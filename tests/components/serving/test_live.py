"""The service as a process of its own, on a real registry: reloads under load, faults, restart without a registry."""

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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from components.contracts import Lineage
from components.params import Params
from components.release.bundle import open_bundle
from components.release.registry import Registry
from components.settings import Settings

from .conftest import ROOT, Remake

pytestmark = pytest.mark.slow
START = """
import logging, pathlib, sys
from components.params import load
from components.serving.app import serve
from components.settings import Settings
logging.basicConfig(level=logging.INFO)
settings = Settings(home=pathlib.Path(sys.argv[1])).resolved(pathlib.Path())
serve(settings, load(pathlib.Path("params.yaml"), [], sys.argv[2:]))
"""
RELOADS = 20


@contextmanager
def service(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", START, str(home), f"serving.port={port}", "serving.poll_s=0.05"]
    with (home / "serve.log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True, env=dict(os.environ))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def ask(port: int, path: str, body: dict | None = None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until_version(port: int, number: int, wait_s: float = 60) -> None:
    deadline, said = time.monotonic() + wait_s, None
    while said != number:
        assert time.monotonic() < deadline, f"still {said}, not {number}"
        try:
            said = ask(port, "/readyz")[1].get("version")
        except OSError as error:
            said = error
        time.sleep(0.02)


def register(registry: Registry, folder: Path, run: Path) -> int:
    lineage = Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d",
        params_digest="p",
        bundle_digest=open_bundle(folder).digest,
        as_of="2026-03-01T00:00:00+00:00",
        model="ease",
    )
    return registry.register(folder, lineage, {}, run, ROOT / "params.yaml", ROOT / "dvc.yaml")


def test_reloads_under_load_then_faults_then_a_start_without_the_registry(
    bundle: Path, remake: Remake, params: Params, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    settings = Settings(home=home).resolved(tmp_path)
    registry = Registry(settings, params.release)
    registry.prepare()
    arrays = load_file(bundle / "model/arrays.safetensors")
    broken = save({k: np.full_like(v, np.nan) if v.dtype == np.float32 else v for k, v in arrays.items()})
    (tmp_path / "reports").mkdir()
    folders = (bundle, remake("b2"), remake("bad", {"model/arrays.safetensors": broken}))
    good, other, bad = (register(registry, folder, tmp_path / "reports") for folder in folders)
    registry.move("champion", good)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    seen: Counter[tuple[int, int | None]] = Counter()
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            status, body = ask(port, "/recommend", {"history": [{"item_id": "sku-1"}], "k": 5})
            seen[(status, body.get("version"))] += 1

    with service(home, port) as process:
        until_version(port, good)
        clients = [threading.Thread(target=load) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for n in range(RELOADS):
                target = (other, good)[n % 2]
                registry.move("champion", target)
                until_version(port, target)
            registry.move("champion", bad)
            time.sleep(1)
            until_version(port, good, 1)  # a bad one never replaces a good one
            registry.move("champion", None)
            time.sleep(0.3)
            database = home / "mlflow.db"
            database.rename(home / "gone.db")  # unreachable: what was a registry is a folder
            database.mkdir()
            time.sleep(1)
            until_version(port, good, 1)
        finally:
            stop.set()
            for client in clients:
                client.join(timeout=20)
        assert process.poll() is None
    assert {key for key, _ in seen.items()} == {(200, good), (200, other)}
    assert sum(seen.values()) > 20 * RELOADS

    with service(home, port):
        until_version(port, good)
        assert ask(port, "/recommend", {"user_id": "user-4711"})[0] == 200
    assert "user-4711" not in (home / "serve.log").read_text()
