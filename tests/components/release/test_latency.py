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


class SlowNowAndThen:
    """Moves the clock: each request takes 3 ms, every 20th 20 ms."""

    name = "ease"

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.threads: set[int] = set()
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def recommend(self, users: Users, k: int, exclude_seen: bool, candidates: None = None) -> None:
        self.asked.append(len(users))
        self.threads.add(torch.get_num_threads())
        self.now += 0.02 if len(self.asked) % 20 == 0 else 0.003


def test_a_bundle_has_a_latency(bundle: Path, world: World) -> None:
    assert measure_latency(open_bundle(bundle), world[2]) > 0


def test_latency_is_p99_of_single_users_on_one_thread(
    bundle: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = SlowNowAndThen()
    monkeypatch.setattr(Bundle, "model", model)
    monkeypatch.setattr(latency, "time", model)
    before = torch.get_num_threads()
    assert measure_latency(open_bundle(bundle), world[2]) == pytest.approx(20)
    assert set(model.asked) == {1}
    assert len(model.asked) == latency.N_REQUESTS + latency.WARM_UP
    assert model.threads == {1}
    assert torch.get_num_threads() == before


def test_no_users_is_an_error(bundle: Path, world: World) -> None:
    history = type(world[2].history)(
        *(np.zeros(n, t) for n, t in ((1, "i8"), (0, "i4"), (0, "i8"), (0, "i1"), (0, "f4")))
    )
    with pytest.raises(ContractError, match="no users"):
        measure_latency(open_bundle(bundle), Users(np.zeros(0, np.int32), history, 0))
