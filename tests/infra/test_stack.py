"""`make stack` without make: the same programs as in the containers, on PostgreSQL; all of them stop."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("POSTGRES", "MLFLOW", "PREFECT", "WORKER", "SERVICE")
DATABASES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
MISSING = [
    what
    for what, there in (
        ("PostgreSQL", bool(DATABASES) or shutil.which("initdb")),
        ("psycopg (pip install -e '.[servers]')", importlib.util.find_spec("psycopg")),
    )
    if not there
]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Return an environment with a folder that the user postgres can reach, and free ports."""
    with ExitStack() as held, tempfile.TemporaryDirectory(prefix="stack-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in NAMES]
        ports = {f"CAROUSEL_{n}_PORT": str(s.getsockname()[1]) for n, s in zip(NAMES, sockets, strict=True)}
        held.close()
        bin_folder = str(Path(sys.executable).parent)
        yield os.environ | ports | {"CAROUSEL_STACK": f"{name}/stack", "CAROUSEL_BIN": bin_folder}


def answer(port: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return bytes(reply.read())


def tell(port: str) -> dict[str, int]:
    body = json.dumps(
        {"events": [{"user_id": "ann", "item_id": "i", "event": "view", "timestamp": "2026-01-01T00:00:00Z"}]}
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/events", body.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return dict(json.load(reply))


def stack(verb: str, environment: dict[str, str]) -> str:
    command = [ROOT / "infra/stack.sh", verb]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_stack_starts_responds_and_stops(environment: dict[str, str]) -> None:
    try:
        output = stack("start", environment)
        assert "not running" not in output
        assert answer(environment["CAROUSEL_MLFLOW_PORT"], "/health") == b"OK"
        assert answer(environment["CAROUSEL_PREFECT_PORT"], "/api/health") == b"true"
        assert b"alive" in answer(environment["CAROUSEL_SERVICE_PORT"], "/livez")
        assert [tell(environment["CAROUSEL_SERVICE_PORT"])["new"] for _ in range(2)] == [1, 0]
        assert not list(
            Path(environment["CAROUSEL_STACK"]).glob("home/shops/*/serving/state.db")
        )  # the event is in PostgreSQL
        assert b"carousel_champion_version" in answer(environment["CAROUSEL_SERVICE_PORT"], "/metrics")
        with pytest.raises(urllib.error.HTTPError):  # the API requires the password
            answer(environment["CAROUSEL_PREFECT_PORT"], "/api/work_pools/carousel")
        again = subprocess.run([ROOT / "infra/stack.sh", "start"], env=environment, capture_output=True, check=False)
        assert again.returncode == 1
    finally:
        ended = stack("stop", environment)
    assert ended.count("stopped") == len(NAMES)
    assert stack("status", environment).count("not running") == len(NAMES)
    folder = Path(environment["CAROUSEL_STACK"])
    assert (folder / "secrets.env").stat().st_mode & 0o077 == 0
