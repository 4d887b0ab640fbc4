"""The service as a separate process, on a real registry: reloads under load, faults, restart without a registry."""

import itertools
import os
import signal
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save

from components.contracts import Lineage
from components.params import Params, load
from components.release.bundle import open_bundle
from components.release.mlflow_connection import ENVIRONMENT
from components.release.registry import Registry
from components.release.runs import RunFiles
from components.serving.storage.open_event_store import open_event_store
from components.settings import Settings
from tests.components.serving.processes import (
    ask,
    both_workers_assign,
    clients,
    free_port,
    memory,
    service,
    wait_until,
    wait_until_version,
    workers,
)
from tests.components.serving.support import ROOT, Remake

pytestmark = pytest.mark.slow
RELOADS = 30


@pytest.fixture(autouse=True)
def _mlflow_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables that the first connection to MLflow sets, after the test."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


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
    files = RunFiles({}, run, ROOT / "params.yaml", ROOT / "dvc.yaml", "ndcg_at_10")
    return registry.register(folder, lineage, files)


def full_of_nan(bundle: Path) -> bytes:
    """Return the model's arrays, their numbers replaced by NaN."""
    arrays = load_file(bundle / "model/arrays.safetensors")
    return save({k: np.full_like(v, np.nan) if v.dtype == np.float32 else v for k, v in arrays.items()})


def test_reloads_under_load_then_faults_then_a_start_without_the_registry(
    bundle: Path, remake: Remake, params: Params, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    registry = Registry(Settings(home=home).resolved(tmp_path), params.release)
    registry.prepare()
    (tmp_path / "reports").mkdir()
    folders = (bundle, remake("b2"), remake("bad", {"model/arrays.safetensors": full_of_nan(bundle)}))
    good, other, bad = (register(registry, folder, tmp_path / "reports") for folder in folders)
    registry.move("champion", good)
    seen: Counter[tuple[int, int | None]] = Counter()
    used: list[int] = []  # KiB of memory, after each reload

    def recommend() -> None:
        status, body = ask(port, "/recommend", {"history": [{"item_id": "sku-1"}], "k": 5})
        seen[(status, body.get("version"))] += 1

    with service(home, port) as process:
        wait_until_version(port, good)
        with clients(4, recommend):
            for n in range(RELOADS):
                target = (other, good)[n % 2]
                registry.move("champion", target)
                wait_until_version(port, target)
                used.append(memory(process.pid))
            registry.move("champion", bad)
            time.sleep(1)
            wait_until_version(port, good, 1)  # a bad one never replaces a good one
            registry.move("champion", None)
            time.sleep(0.3)
            database = home / "mlflow.db"
            database.rename(home / "gone.db")  # unreachable: a folder replaces the database
            database.mkdir()
            time.sleep(1)
            wait_until_version(port, good, 1)
        assert process.poll() is None
    assert set(seen) == {(200, good), (200, other)}
    assert sum(seen.values()) > 20 * RELOADS
    assert max(used[-10:]) < 1.1 * max(used[5:15]), used

    with service(home, port):
        wait_until_version(port, good)
        assert ask(port, "/recommend", {"user_id": "user-4711"})[0] == 200
    assert "user-4711" not in (home / "serve.log").read_text()


def home_with_champion(bundle: Path, folder: Path) -> Path:
    """Return a home in the folder whose registry has the bundle as champion."""
    home = folder / "home"
    home.mkdir()
    registry = Registry(Settings(home=home).resolved(folder), load(ROOT / "params.yaml").release)
    registry.prepare()
    (folder / "reports").mkdir()
    registry.move("champion", register(registry, bundle, folder / "reports"))
    return home


@pytest.fixture
def shop(bundle: Path, tmp_path: Path) -> tuple[Path, int]:
    """Return a home with a champion, and a free port."""
    return home_with_champion(bundle, tmp_path), free_port()


@pytest.mark.parametrize("where", ["file", "database"])
def test_workers_killed_under_load_lose_no_acknowledged_event(
    shop: tuple[Path, int], where: str, request: pytest.FixtureRequest
) -> None:
    home, port = shop
    url = request.getfixturevalue("postgres").create_database() if where == "database" else ""
    stored: list[tuple[str, int]] = []
    numbers = itertools.count(1)

    def send_event() -> None:
        n = next(numbers)
        user, at = f"user-{n % 4}", f"2026-01-01T00:00:00.{n:06d}Z"
        event = {"user_id": user, "item_id": f"sku-{n}", "event": "view", "timestamp": at}
        try:
            status, _ = ask(port, "/events", {"events": [event]})
        except (OSError, HTTPException):  # the process died under this request: nothing was acknowledged
            return
        if status == 200:
            stored.append((user, n))

    def wait_until_stored(n_more: int) -> None:
        before = len(stored)
        wait_until(lambda: len(stored) >= before + n_more)

    with service(home, port, "serving.workers=2", CAROUSEL_EVENT_STORE_URL=url) as process:
        wait_until_version(port, 1)
        killed: list[int] = []
        with clients(4, send_event):
            for _ in range(3):
                wait_until_stored(50)
                wait_until(lambda: set(workers(process)) - set(killed))  # the replacement is started
                killed.append(min(set(workers(process)) - set(killed)))
                os.kill(killed[-1], signal.SIGKILL)
            wait_until_stored(50)
        wait_until_version(port, 1)
        assert process.poll() is None
    assert len(stored) > 100
    store = open_event_store(url or None, home / "shops/carousel/serving", "carousel")
    found = {(user, event.item_id) for user in store.find_users("", 9) for event in store.history(user, 10**6)}
    store.close()
    assert {(user, f"sku-{n}") for user, n in stored} <= found


def test_an_overloaded_service_refuses_requests_and_recovers(shop: tuple[Path, int]) -> None:
    """Every history is different, so that no list is cached; the queue holds two."""
    home, port = shop
    statuses: Counter[int] = Counter()
    numbers = itertools.count()

    def recommend() -> None:
        history = [{"item_id": f"sku-{1 + n % 20}"} for n in divmod(next(numbers), 20)]
        history += [{"item_id": f"sku-{1 + n % 20}"} for n in range(next(numbers) % 7)]
        statuses[ask(port, "/recommend", {"history": history, "k": 5})[0]] += 1

    with service(home, port, "serving.max_queue=2", "serving.list_cache_size=0") as process:
        wait_until_version(port, 1)
        before = memory(process.pid)
        with clients(24, recommend):
            wait_until(lambda: statuses.total() >= 2000 and statuses[200] > 100 and statuses[503])
        assert set(statuses) == {200, 503}
        assert statuses[200] > 100
        wait_until(lambda: ask(port, "/recommend", {"history": [{"item_id": "sku-1"}]})[0] == 200)
        assert memory(process.pid) < 1.3 * before + 20_000


def test_a_canary_share_reaches_all_worker_processes(shop: tuple[Path, int], remake: Remake, tmp_path: Path) -> None:
    home, port = shop
    registry = Registry(Settings(home=home).resolved(tmp_path), load(ROOT / "params.yaml").release)
    registry.move("challenger", register(registry, remake("challenger"), tmp_path / "reports"))
    token = {"authorization": "Bearer t0ken"}
    with service(home, port, "serving.workers=2", CAROUSEL_ADMIN_TOKEN="t0ken"):
        wait_until_version(port, 1)
        wait_until(lambda: both_workers_assign(port, 1))
        assert ask(port, "/admin/canary", {"share": 1.0}, token) == (200, {"share": 1.0})
        wait_until(lambda: both_workers_assign(port, 2))
        assert ask(port, "/admin/canary", {"share": 0.0}, token) == (200, {"share": 0.0})
        wait_until(lambda: both_workers_assign(port, 1))


def test_exposures_are_on_disk_after_a_stop(shop: tuple[Path, int]) -> None:
    home, port = shop
    with service(home, port, "serving.workers=2"):
        wait_until_version(port, 1)
        wait_until(lambda: both_workers_assign(port, 1))
        replies = [ask(port, "/recommend", {"user_id": f"u{n}", "k": 5}) for n in range(40)]
    assert {status for status, _ in replies} == {200}
    answers = [body for _, body in replies]
    files = sorted((home / "shops/carousel/serving/exposures").glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert {row["request_id"] for row in rows} == {answer["request_id"] for answer in answers}
    assert len(rows) == 200
