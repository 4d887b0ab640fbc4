import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.release import latency
from components.release.bundle import Bundle, open_bundle
from components.release.latency import measure_latency

World = tuple[Interactions, Catalogue, Users]


class Model:
    """Calls `work` with the number of the request, from 0."""

    name = "ease"

    def __init__(self, work: Any) -> None:
        self.work = work
        self.asked: list[int] = []
        self.threads: set[int] = set()

    def recommend(self, users: Users, k: int, exclude_seen: bool, candidates: None = None) -> None:
        self.asked.append(len(users))
        self.threads.add(torch.get_num_threads())
        self.work(len(self.asked) - 1)


class Clock:
    """A machine whose time is moved by hand; `queue` is the file in which Linux counts the waiting time for a core."""

    def __init__(self, queue: Path) -> None:
        self.now, self.waited, self.queue = 100.0, 0.0, queue
        self.spend(0, 0)

    def perf_counter(self) -> float:
        return self.now

    def spend(self, work_s: float, waiting_s: float) -> None:
        self.now += work_s + waiting_s
        self.waited += waiting_s
        self.queue.write_text(f"123456 {round(self.waited * 1e9)} 7\n")


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(tmp_path / "schedstat")
    monkeypatch.setattr(latency, "time", clock)
    monkeypatch.setattr(latency, "QUEUE_TIMES", clock.queue)
    return clock


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_bundle_has_a_latency(bundle: Path, world: World) -> None:
    assert measure_latency(open_bundle(bundle), world[2]) > 0


def test_latency_is_p99_of_single_users_on_one_thread(
    bundle: Path, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(lambda n: clock.spend(0.02 if n % 20 == 0 else 0.003, 0))
    monkeypatch.setattr(Bundle, "model", model)
    before = torch.get_num_threads()
    assert measure_latency(open_bundle(bundle), world[2]) == pytest.approx(20)
    assert set(model.asked) == {1}
    assert len(model.asked) == latency.ROUNDS * latency.N_REQUESTS + latency.WARM_UP
    assert model.threads == {1}
    assert torch.get_num_threads() == before


def test_waiting_for_a_core_and_a_pause_in_one_round_do_not_count(
    bundle: Path, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = range(latency.WARM_UP, latency.WARM_UP + latency.N_REQUESTS)  # the first round
    model = Model(lambda n: clock.spend(0.5 if n in paused else 0.004, 0.1))
    monkeypatch.setattr(Bundle, "model", model)
    assert measure_latency(open_bundle(bundle), world[2]) == pytest.approx(4)


def test_without_the_kernels_count_the_whole_time_counts(
    bundle: Path, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(latency, "QUEUE_TIMES", tmp_path / "absent")
    monkeypatch.setattr(Bundle, "model", Model(lambda n: clock.spend(0.004, 0.002)))
    assert measure_latency(open_bundle(bundle), world[2]) == pytest.approx(6)


def test_four_busy_processes_change_the_latency_by_less_than_half(
    bundle: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "N_REQUESTS", 20)
    monkeypatch.setattr(latency, "ROUNDS", 6)
    monkeypatch.setattr(Bundle, "model", Model(lambda n: sum(range(600_000))))
    opened = open_bundle(bundle)
    quiet = measure_latency(opened, world[2])
    with busy_processes(4):
        busy = measure_latency(opened, world[2])
    assert quiet / 1.5 < busy < 1.5 * quiet


@pytest.mark.parametrize("how", ["sleeps", "waits for a process", "waits for threads"])
def test_a_model_that_waits_is_slow(bundle: Path, world: World, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(latency, "N_REQUESTS", 3)
    monkeypatch.setattr(latency, "WARM_UP", 1)
    with ThreadPoolExecutor(2) as pool:
        waits = {
            "sleeps": lambda n: time.sleep(0.06),
            "waits for a process": lambda n: subprocess.run(["sleep", "0.06"], check=True),
            "waits for threads": lambda n: list(pool.map(time.sleep, [0.06, 0.06])),
        }
        monkeypatch.setattr(Bundle, "model", Model(waits[how]))
        assert measure_latency(open_bundle(bundle), world[2]) >= 60


def test_no_users_is_an_error(bundle: Path, world: World) -> None:
    history = type(world[2].history)(
        *(np.zeros(n, t) for n, t in ((1, "i8"), (0, "i4"), (0, "i8"), (0, "i1"), (0, "f4")))
    )
    with pytest.raises(ContractError, match="no users"):
        measure_latency(open_bundle(bundle), Users(np.zeros(0, np.int32), history, 0))
