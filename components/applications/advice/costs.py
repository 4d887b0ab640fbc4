"""How long a run takes on this machine: known costs of the stages as functions of the counts, and a calibration.

A stage that has run in this checkout (run/timings) counts as it was measured. The other costs are CPU seconds of the
machine on which docs/benchmarks.md was measured, scaled by how fast this machine does a fixed piece of work.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from components.contracts import Record

REFERENCE_S = 0.55  # CPU seconds of `calibrate`'s work on the reference machine
OUTSIDE_S = 55.0  # starts of DVC and Prefect, MLflow and the gate
SIZE, REPEATS = 700, 6  # of the matrices of the calibration
TIMINGS = Path("run/timings")


class CostCounts(Record):
    """What the costs depend on."""

    rows: int  # of all sources
    events: int
    products: int
    texts: int  # products with a text
    users: int
    epochs: int  # of the sequence model; 0: it is not trained
    pretrain: bool


class RunCosts(Record):
    """Seconds of each part of a run where the machine has nothing else to do, and how they were found."""

    seconds: dict[str, float]
    measured: list[str]  # stages that were taken from run/timings
    speed: float  # of this machine, relative to the reference
    load: float  # seconds of wall time for a CPU second now; 1: the machine is idle

    @property
    def minutes(self) -> float:
        """Return the time of a run on this machine where it has nothing else to do."""
        return sum(self.seconds.values()) / 60

    @property
    def minutes_now(self) -> float:
        """Return the time of a run at the present load; stages that were measured are counted as they were."""
        return sum(s if name in self.measured else s * self.load for name, s in self.seconds.items()) / 60


def calibrate() -> tuple[float, float]:
    """Return the speed of this machine relative to the reference, and its load, by about a second of work."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(REPEATS):
        np.linalg.inv(matrix @ matrix.T + np.eye(SIZE, dtype=np.float32) * SIZE)
        np.sort(rng.random(1_000_000))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return REFERENCE_S / max(cpu, 1e-3), max(wall / max(cpu, 1e-3), 1.0)


def estimate(counts: CostCounts, measured: dict[str, float], calibration: tuple[float, float]) -> RunCosts:
    """Return the costs of a run. measured: stage -> seconds of a run on the same data."""
    speed, load = calibration
    known = {name: seconds / speed for name, seconds in reference_seconds(counts).items()}
    seconds = {name: measured.get(name, own) for name, own in known.items()}
    return RunCosts(seconds=seconds, measured=sorted(set(measured) & set(known)), speed=speed, load=load)


def reference_seconds(counts: CostCounts) -> dict[str, float]:
    """Return CPU seconds of each stage on the reference machine."""
    dense = (min(counts.products, 15_000) / 10_000) ** 3  # of EASE's inverse
    return {
        "ingest": 1 + 1.25e-5 * counts.rows,
        "split": 0.2 + 1e-6 * counts.events,
        "pretrain": (10 if counts.pretrain else 5) + 0.002 * counts.texts if counts.texts else 1.5,
        "encode": 0.3 + 1e-4 * counts.texts,
        "profile": 0.6 + 1e-6 * counts.events,
        "fit": 0.3 + 10 * dense + 4e-6 * counts.events,
        "finetune": 0.5 + 1.05e-4 * counts.events * counts.epochs,
        "rank": 0.6 + 5.7e-5 * counts.events,
        "blend": 0.2 + 0.028 * counts.users,
        "incumbent": 0.1,
        "evaluate": 2 + 0.0066 * counts.users,
        "drift": 0.9 + 2e-6 * counts.events,
        "package": 0.3 + 1e-4 * counts.products,
        "outside the stages": OUTSIDE_S,
    }


def read_timings(root: Path) -> dict[str, float]:
    """Return stage -> seconds of the newest run in this checkout."""
    return {
        file.stem: float(json.loads(file.read_text(encoding="utf-8"))["work_s"])
        for file in sorted((root / TIMINGS).glob("*.json"))
    }
