"""Load on the real service: requests per second against an empty route of the same server, latency, freshness.

    python tests/benchmarks/bench_service.py --home HOME [--seconds 8] [--users 500]

HOME is the `.carousel` of a finished run. Two worker processes; the load generator (asyncio, keep-alive, 32
connections) runs beside them. The empty route is a FastAPI route of a separate app that returns a constant, under the
same server, alternating with /recommend. Users are drawn from a Zipf distribution (exponent 1). First all lists are
cached in both processes; then one visit of fifty, and of ten, posts an event, which invalidates that user's list. Then
requests of one event each, without and with idempotency keys in turn. Exits
1 where cached lists have less than half of the empty route's rate, where the 99th percentile is 25 ms or more at half
of the highest load with events in one visit of fifty, or where an event needs more than 10 ms to change the next list.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[2]
CONNECTIONS = 32
ROUNDS = 3
SOME = 0.02  # share of visits that first post an event
SERVE = """
import logging, pathlib, sys
from components.params import load
from components.serving.http.app import serve
from components.settings import Settings
if __name__ == "__main__":
    settings = Settings(home=pathlib.Path(sys.argv[1])).resolved(pathlib.Path())
    serve(settings, load(pathlib.Path("params.yaml"), [], sys.argv[2:]))
"""
EMPTY = """
import socket, sys
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess
from components.serving.http.protocol import BoundedProtocol

def make():
    app = FastAPI()

    @app.post("/recommend")
    async def empty() -> dict[str, str]:
        return {"status": "ok"}

    return app

if __name__ == "__main__":
    config = uvicorn.Config(make, factory=True, http=BoundedProtocol, ws="none", access_log=False, log_config=None,
                            server_header=False, workers=2)
    Multiprocess(config, [socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=2048)]).run()
"""


@contextmanager
def running(source: str, *arguments: str, log: Path) -> Iterator[None]:
    """Run a separate program until the block ends."""
    script = log.with_suffix(".py")
    script.write_text(source)
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        command = [sys.executable, str(script), *arguments]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=out, stderr=out, env=environment)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


class Connection:
    """One minimal keep-alive connection, so that the load generator is not the bottleneck."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def post(self, path: str, body: bytes, key: str | None = None) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        head += f"\r\nIdempotency-Key: {key}" if key else ""
        self.writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(answer[9:12]), await self.reader.readexactly(length)


async def until_ready(port: int) -> None:
    """Wait until the service answers /recommend."""
    for _ in range(600):
        try:
            connection = Connection(port)
            await connection.open()
            if (await connection.post("/recommend", b'{"k": 1}'))[0] == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.2)
    raise TimeoutError("the service did not become ready; look at its log")


async def load(
    port: int,
    seconds: float,
    bodies: Callable[[], list[tuple[str, bytes]]],
    rate: float | None,
    route: str = "/recommend",
    connections: int = CONNECTIONS,
) -> dict:
    """Send requests for `seconds` over all connections; rate: total requests per second, None for the maximum.

    Only requests of the route are counted and timed.
    """
    times: list[float] = []
    bad = 0
    end = time.perf_counter() + seconds

    async def one(n: int) -> None:
        nonlocal bad
        connection = Connection(port)
        await connection.open()
        due = time.perf_counter() + (n / rate if rate else 0)
        while (now := time.perf_counter()) < end:
            if rate:
                if due > now:
                    await asyncio.sleep(due - now)
                due += connections / rate
            for path, body in bodies():
                started = time.perf_counter()
                status, _ = await connection.post(path, body)
                if path == route:
                    times.append(time.perf_counter() - started)
                bad += status != 200
        connection.writer.close()

    await asyncio.gather(*(one(n) for n in range(connections)))
    quantiles = 1000 * np.percentile(times, [50, 99])
    return {"rate": len(times) / seconds, "p50": float(quantiles[0]), "p99": float(quantiles[1]), "bad": bad}


def visits(users: list[str], items: list[str], events: float, seed: int) -> Callable[[], list[tuple[str, bytes]]]:
    """Return a function that makes the requests of a visit: a user's list, at times after an event."""
    rng = random.Random(seed)
    weights = [1 / (n + 1) for n in range(len(users))]

    def ask() -> list[tuple[str, bytes]]:
        user = rng.choices(users, weights)[0]
        requests = [("/recommend", json.dumps({"user_id": user, "k": 10}).encode())]
        if rng.random() < events:
            event = {"user_id": user, "item_id": rng.choice(items), "event": "view"}
            requests.insert(0, ("/events", json.dumps({"events": [event]}).encode()))
        return requests

    return ask


async def event_rate(port: int, seconds: float, users: list[str], items: list[str], has_key: bool) -> float:
    """Return requests per second of one event each, over all connections; raises where one is refused."""
    end, n_stored = time.perf_counter() + seconds, 0

    async def send() -> None:
        nonlocal n_stored
        connection = Connection(port)
        await connection.open()
        while time.perf_counter() < end:
            event = {"user_id": random.choice(users), "item_id": random.choice(items), "event": "view"}
            body = json.dumps({"events": [event]}).encode()
            status, answer = await connection.post("/events", body, str(uuid.uuid4()) if has_key else None)
            if status != 200:
                raise RuntimeError(answer.decode())
            n_stored += 1
        connection.writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return n_stored / seconds


async def freshness(port: int, users: list[str], items: list[str]) -> list[float]:
    """Return ms from posting an event until a list reflects it: its item is no longer listed."""
    connection = Connection(port)
    await connection.open()
    times = []
    for user in users[:200]:
        body = json.dumps({"user_id": user, "k": 1}).encode()
        listed = json.loads((await connection.post("/recommend", body))[1])["items"][0]["item_id"]
        event = json.dumps({"events": [{"user_id": user, "item_id": listed, "event": "view"}]}).encode()
        started = time.perf_counter()
        await connection.post("/events", event)
        while json.loads((await connection.post("/recommend", body))[1])["items"][0]["item_id"] == listed:
            pass
        times.append(1000 * (time.perf_counter() - started))
    return times


def main() -> int:
    """Print the figures; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="the .carousel of a finished run")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--users", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        folder = Path(name)
        home = copytree(args.home, folder / "home", ignore=ignore_patterns("remote", "embeddings", "prefect*"))
        (home / "shops/carousel/serving/state.db").unlink(missing_ok=True)
        port, empty = 18231, 18232
        knobs = (f"serving.port={port}", "serving.workers=2", "serving.poll_s=60")
        with (
            running(SERVE, str(home), *knobs, log=folder / "serve.log"),
            running(EMPTY, str(empty), log=folder / "empty.log"),
        ):
            return asyncio.run(measure(port, empty, args.seconds, args.users, home))


async def fill(port: int, users: list[str], items: list[str]) -> None:
    """Give each user a history, and cache the lists in both processes."""
    rng = random.Random(1)
    connection = Connection(port)
    await connection.open()
    for start in range(0, len(users), 50):
        first_events = [
            {"user_id": user, "item_id": item, "event": "view"}
            for user in users[start : start + 50]
            for item in rng.sample(items, 15)
        ]
        status, answer = await connection.post("/events", json.dumps({"events": first_events}).encode())
        if status != 200:
            raise RuntimeError(answer.decode())
    for _ in range(12):  # the kernel chooses the process of a connection
        other = Connection(port)
        await other.open()
        for user in users:
            await other.post("/recommend", json.dumps({"user_id": user, "k": 10}).encode())


async def measure(port: int, empty: int, seconds: float, n_users: int, home: Path) -> int:
    """Load both servers alternately and print the results."""
    await until_ready(port)
    await until_ready(empty)
    catalogue = next((home / "shops/carousel/serving").glob("*/items.parquet"))
    import pyarrow.parquet as pq

    items = pq.read_table(catalogue, columns=["item_id"])["item_id"].to_pylist()
    users = [f"user-{n}" for n in range(n_users)]
    await fill(port, users, items)
    ratios, some = list[float](), 0.0
    print(f"{len(items)} items, {n_users} users, 2 workers, {CONNECTIONS} connections")
    print("| round | events in visits | empty, requests/s | /recommend, requests/s | ratio | p99 ms |")
    print("|---|---|---|---|---|---|")
    bad = 0
    for n, events in enumerate([*[0.0] * ROUNDS, SOME, 0.1]):
        plain = (await load(empty, seconds, visits(users, items, 0.0, n), None))["rate"]
        served = await load(port, seconds, visits(users, items, events, n), None)
        bad += served["bad"]
        if not events:
            ratios.append(served["rate"] / plain)
        some = served["rate"] if events == SOME else some
        cells = f"{plain:.0f} | {served['rate']:.0f} | {served['rate'] / plain:.2f} | {served['p99']:.1f}"
        print(f"| {n + 1} | {events:.0%} | {cells} |", flush=True)
    calm = await load(port, seconds, visits(users, items, SOME, 99), some / 2)
    spread = f"median {calm['p50']:.1f}, p99 {calm['p99']:.1f} ms"
    print(f"at half of the load with {SOME:.0%} events, {calm['rate']:.0f} requests/s: {spread}")
    fresh = await freshness(port, users, items)
    print(f"from an event to the next list: median {np.median(fresh):.1f}, p99 {np.percentile(fresh, 99):.1f} ms")
    rates = [
        [await event_rate(port, seconds, users, items, has_key) for has_key in (False, True)] for _ in range(ROUNDS)
    ]
    print(
        "requests of one event/s without and with keys: " + "; ".join(f"{a:.0f}, {b:.0f}" for a, b in rates), end="; "
    )
    print(f"median ratio {statistics.median(b / a for a, b in rates):.2f}")
    bad += calm["bad"]
    print(f"median ratio of known lists {statistics.median(ratios):.2f}, wanted .5; answers that failed: {bad}")
    good = statistics.median(ratios) >= 0.5 and calm["p99"] < 25 and np.median(fresh) < 10 and not bad
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
