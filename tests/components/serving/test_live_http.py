"""The service as it is started, over HTTP: many clients at once, hostile bytes, workers without a supervisor."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from subprocess import Popen

import pytest

from components.release.mlflow_connection import ENVIRONMENT
from tests.components.serving.processes import (
    ask,
    both_workers_assign,
    free_port,
    running,
    service,
    wait_until,
    wait_until_version,
    workers,
)
from tests.components.serving.test_live import home_with_champion

pytestmark = pytest.mark.slow
N_CLIENTS = 100
N_HOSTILE = 1500
BODY = b'{"history": [{"item_id": "sku-1"}], "k": 5}'
REQUEST = (
    b"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(BODY), BODY)
)


@pytest.fixture
def shop(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, int]:
    """Return a home with a champion, and a free port."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return home_with_champion(bundle, tmp_path), free_port()


def start(kind: str, home: Path, port: int) -> AbstractContextManager[Popen[str]]:
    """Start the service as a user, a container or a test does."""
    environment = {"CAROUSEL_HOME": str(home), "CAROUSEL_SERVICE_PORT": str(port), "CAROUSEL_BIND": "127.0.0.1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    match kind:
        case "command line":
            command = [sys.executable, "-m", "flows.cli", "serve", "--set", f"serving.port={port}"]
            return running(home, command, **environment)
        case "container":  # with the bundles on a disk of the machine, as infra/kubernetes has it
            environment["CAROUSEL_BUNDLE_CACHE"] = str(home.with_name("bundles"))
            return running(home, ["infra/run.sh", "service"], **environment)
    return service(home, port, f"serving.workers={kind}")


async def connect_at_once(port: int) -> list[str]:
    """Return for each of N_CLIENTS that connect at the same time the status of the answer, or the error."""

    async def connect() -> str:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            return type(error).__name__
        writer.close()
        return head[9:12].decode()

    async with asyncio.timeout(60):
        return list(await asyncio.gather(*(connect() for _ in range(N_CLIENTS))))


@pytest.mark.parametrize("kind", ["1", "2", "command line", "container"])
def test_a_hundred_clients_at_once_are_all_answered(shop: tuple[Path, int], kind: str) -> None:
    home, port = shop
    with start(kind, home, port):
        wait_until_version(port, 1)
        if kind == "2":
            wait_until(lambda: both_workers_assign(port, 1))
        for _ in range(5):
            assert Counter(asyncio.run(connect_at_once(port))) == {"200": N_CLIENTS}
    serving, bundles = f"shops/*/serving/{'[0-9a-f]' * 64}", f"*/{'[0-9a-f]' * 64}"
    found = (len(list(home.glob(serving))), len(list(home.with_name("bundles").glob(bundles))))
    assert found == ((0, 1) if kind == "container" else (1, 0))
    assert list(home.glob("shops/*/serving/exposures/*.parquet"))


def test_workers_end_when_their_supervisor_is_killed(shop: tuple[Path, int]) -> None:
    home, port = shop
    with service(home, port, "serving.workers=2") as process:
        wait_until_version(port, 1)
        wait_until(lambda: both_workers_assign(port, 1))
        pids = workers(process)
        assert len(pids) == 2
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids), 30)
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


def hostile(rng: random.Random) -> bytes:
    """Return a request that breaks the protocol, or is cut, in one of many ways."""
    noise = bytes(rng.choices(range(256), k=rng.randrange(200)))
    line = rng.choice([b"GET / HTTP/1.1", b"POST /events HTTP/1.1", b"POST /search HTTP/1.0", b"GET  /", noise[:40]])
    headers = rng.choices(
        [
            b"Host: 127.0.0.1", b"Host: evil@127.0.0.1", b"Host", b"Content-Length: 10", b"Content-Length: -1",
            b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip",
            b"Content-Encoding: gzip", b"Content-Type: text/plain", b"Expect: 100-continue", b"Connection: upgrade",
            b"Upgrade: websocket", b"X: " + b"y" * rng.randrange(70_000), b" folded", b"Origin: null", noise[:60],
            b"Authorization: Bearer \xff", b"X-Request-ID: " + noise[:20], b"Cookie: a=b", b"Forwarded: for=x",
        ],
        k=rng.randrange(8),
    )  # fmt: skip
    chunk = rng.choice(
        [b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"-1\r\nx", b"ffffffffffffffff\r\n", b"1;" + b"e" * 5000]
    )
    body = rng.choice([b"", noise, chunk, BODY, b"\x1f\x8b" + noise])
    whole = line + b"\r\n" + b"".join(header + b"\r\n" for header in [*headers, *[b"A: b"] * rng.choice([0, 0, 3000])])
    whole += b"\r\n" + body
    return whole[: rng.randrange(1, len(whole))] if rng.random() < 0.3 else whole


def test_hostile_bytes_get_no_server_error_and_leave_the_service_well(shop: tuple[Path, int]) -> None:
    home, port = shop
    rng = random.Random(7)
    seen: Counter[bytes] = Counter()
    with service(home, port) as process:
        wait_until_version(port, 1)
        for _ in range(N_HOSTILE):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, suppress(OSError):
                connection.sendall(hostile(rng))
                connection.shutdown(socket.SHUT_WR)
                seen[connection.recv(4096)[:12]] += 1
        statuses = {head[9:12] for head in seen if head}
        assert not [status for status in statuses if status >= b"500" and status != b"501"], seen
        assert {b"400", b"403"} <= statuses
        assert ask(port, "/recommend", {"history": [{"item_id": "sku-1"}], "k": 5})[0] == 200
        assert process.poll() is None
    assert "Traceback" not in (home / "serve.log").read_text()
