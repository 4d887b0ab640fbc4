"""Three replicas on one PostgreSQL under load: a new model, kill -9 of one, SIGTERM of another; -s prints figures."""

import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.params import load
from components.release.mlflow_connection import ENVIRONMENT
from components.release.registry import Registry
from components.serving.storage.exposure_table import collect_exposures
from components.serving.storage.open_event_store import open_event_store
from components.settings import Settings
from tests.components.serving.postgres import Postgres
from tests.components.serving.processes import clients, free_port, service, wait_until_version
from tests.components.serving.support import ROOT, Remake
from tests.components.serving.test_live import home_with_champion, register

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
N_REPLICAS, N_CLIENTS, N_USERS = 3, 8, 200
RATE = 240  # requests per second, at most
SECRET = "s" * 32


class Answer(NamedTuple):
    """The answer of a request, or its failure."""

    at: float  # monotonic, s
    seconds: float
    port: int
    user: str
    status: int  # 0: the connection ended without an answer
    version: int | None  # None: of an event
    request_id: str


class Balancer:
    """Sends requests to random replicas in rotation; one that refuses the connection leaves the rotation."""

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.answers, self.stored = list(ports), list[Answer](), set[tuple[str, int]]()
        self.numbers, self.started, self.lock = itertools.count(), time.monotonic(), threading.Lock()

    def send(self) -> None:
        """Send the next request when it is due: of four, one posts an event, the others ask for a list."""
        with self.lock:
            n = next(self.numbers)
        time.sleep(max(0.0, self.started + n / RATE - time.monotonic()))
        user = f"user-{random.randrange(N_USERS)}"
        if n % 4:
            self.record(user, "/recommend", {"user_id": user, "k": 5})
        elif self.record(user, "/events", {"events": [event(user, n)]}).status == 200:
            self.stored.add((user, n))

    def record(self, user: str, path: str, body: dict) -> Answer:
        connection, port = self.connect()
        at, status, answer = time.monotonic(), 0, dict[str, str]()
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            reply = connection.getresponse()
            status, answer = reply.status, json.load(reply)
        except (OSError, HTTPException, ValueError):
            pass
        connection.close()
        version = answer.get("version") if path == "/recommend" else None
        now = time.monotonic()
        found = Answer(now, now - at, port, user, status, version, answer.get("request_id", ""))  # type: ignore[arg-type]
        self.answers.append(found)
        return found

    def connect(self) -> tuple[HTTPConnection, int]:
        while True:
            port = random.choice(self.ports)
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.connect()
            except ConnectionRefusedError:  # nothing was sent
                self.ports = [other for other in self.ports if other != port]
            else:
                return connection, port


def event(user: str, n: int) -> dict[str, str]:
    at = f"2026-01-01T00:{n // 10**6:02}:00.{n % 10**6:06d}Z"
    return {"user_id": user, "item_id": f"sku-{n}", "event": "view", "timestamp": at}


def start_replica(number: int, home: Path, url: str, stack: ExitStack) -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    environment = {"CAROUSEL_EVENT_STORE_URL": url, "CAROUSEL_ERASURE_KEY": SECRET, "OMP_NUM_THREADS": "1"}
    environment["CAROUSEL_BUNDLE_CACHE"] = str(home.parent / f"bundles-{number}")
    process = stack.enter_context(service(home, port, "serving.poll_s=5", "serving.exposures.flush_s=1", **environment))
    wait_until_version(port, 1, 200)  # one after the other, so that they do not look for a new model together
    return process, port


def drain(process: subprocess.Popen[str], port: int, balancer: Balancer) -> float:
    """Take a replica out of the rotation, as Kubernetes does, then stop it; return seconds from SIGTERM to exit."""
    balancer.ports = [other for other in balancer.ports if other != port]
    process.send_signal(signal.SIGTERM)  # requests that were sent before are in flight
    started = time.monotonic()
    process.wait(60)
    return time.monotonic() - started


def mixed_versions(answers: list[Answer], new: int) -> tuple[float, int, int]:
    """Return for how long both versions answered (s), how many users saw both, and how many the old after the new."""
    both = returns = 0
    last_old = max(a.at for a in answers if a.version not in (new, None))
    seconds = last_old - min(a.at for a in answers if a.version == new)
    for user in {answer.user for answer in answers}:
        versions = [a.version for a in sorted(answers) if a.user == user and a.version is not None]
        both += len(set(versions)) > 1
        returns += new in versions and set(versions[versions.index(new) :]) != {new}
    return seconds, both, returns


def test_three_replicas_under_load(bundle: Path, remake: Remake, tmp_path: Path, postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    home, url = home_with_champion(bundle, tmp_path), postgres.create_database()
    registry = Registry(Settings(home=home).resolved(tmp_path), load(ROOT / "params.yaml").release)
    new = register(registry, remake("new"), tmp_path / "reports")
    with ExitStack() as stack:
        replicas = [start_replica(number, home, url, stack) for number in range(N_REPLICAS)]
        ports = [port for _, port in replicas]
        balancer = Balancer(ports)
        with clients(N_CLIENTS, balancer.send):
            time.sleep(10)
            steady = [answer.seconds for answer in balancer.answers if answer.version is not None]
            registry.move("champion", new)
            for port in ports:
                wait_until_version(port, new)
            swapped, before_swap = time.monotonic(), len(balancer.answers)
            time.sleep(3)
            os.kill(replicas[0][0].pid, signal.SIGKILL)
            killed = time.monotonic()
            time.sleep(5)
            drained = drain(*replicas[1], balancer)
            time.sleep(2)
        ended = time.monotonic()
    answers, failed = balancer.answers, [a for a in balancer.answers if a.status != 200]
    mixed, both, returns = mixed_versions(answers, new)
    p50, p99 = 1000 * np.percentile(steady, [50, 99])
    print(
        f"\n{len(answers)} requests in {ended - balancer.started:.0f} s; lists before the swap: p50 {p50:.1f} ms, "
        f"p99 {p99:.1f} ms; {len(balancer.stored)} events acknowledged; {len(failed)} requests failed with the killed "
        f"replica; both versions answered for {mixed:.1f} s, {both} of {N_USERS} users saw both, {returns} the old one "
        f"after the new one; SIGTERM to exit {drained:.2f} s"
    )
    assert len(failed) <= N_CLIENTS
    assert {(a.status, a.port) for a in failed} <= {(0, ports[0])}
    assert all(killed - 1 < a.at < killed + 25 for a in failed)
    assert {a.version for a in answers[before_swap:] if a.at - a.seconds > swapped and a.status == 200} <= {new, None}
    check_stored(url, balancer, ports[0], tmp_path)


def check_stored(url: str, balancer: Balancer, killed_port: int, folder: Path) -> None:
    """Check that all acknowledged events, and all lists of replicas that were stopped by SIGTERM, are stored."""
    store = open_event_store(url, folder / "flows/serving", "carousel", secret=SECRET)
    found = {(user, int(item_id[4:])) for user, item_id in store.query("SELECT user_id, item_id FROM events")}
    collect_exposures(store, folder / "exposures")
    store.close()
    assert balancer.stored <= found
    assert len(balancer.stored) > 100
    files = sorted((folder / "exposures").glob("*.parquet"))
    shown = {request for file in files for request in pq.read_table(file)["request_id"].to_pylist()}
    lists = [a for a in balancer.answers if a.version is not None and a.status == 200]
    lost = {a.request_id for a in lists} - shown
    print(f"{len(lists)} lists, {len(lost)} exposures lost with the killed replica")
    assert {a.port for a in lists if a.request_id in lost} <= {killed_port}
