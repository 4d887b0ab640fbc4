"""Runs of trainings that go on: MLflow shows their curves before the version exists to which they will belong.

Each trained model of a shop has at most one such run. `register` makes it the model's child of the version's run, or
removes it where its curves are those of another training.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from components.curves import FILE, read_curves
from components.errors import CarouselError
from components.io import sha256_bytes
from components.release.lock import exclusive_lock
from components.settings import Settings

log = logging.getLogger(__name__)
POLL_S = 2.0
ROLE = "training"
PARENT = "mlflow.parentRunId"
LOCK_S = 10.0  # longest wait for another process that writes to the registry
MAX_FOUND = 100
Logged = dict[str, int]  # curve -> number of its values that MLflow has


class Recorder(Protocol):
    """The part of RunRecorder (runs.py) that these runs need."""

    settings: Settings
    release: str

    @property
    def connection(self) -> Any:
        """Return the connection to MLflow."""

    def experiment_id(self) -> str:
        """Return the id of the MLflow experiment."""

    def log_points(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Log the values: metric, value, step."""


class TrainingRuns:
    """The runs of trainings without a version, of one registered model and one home folder."""

    def __init__(self, recorder: Recorder) -> None:
        """Nothing is opened yet."""
        self.recorder = recorder
        home = sha256_bytes(str(recorder.settings.home).encode())[:16]  # several may use one server
        self.prefix = f"{recorder.release}/{home}/"  # of the tag `training`

    def begin(self, model: str, curves: Mapping[str, Sequence[float]]) -> tuple[str, Logged]:
        """Return the id of the model's run and what it holds; a run of other curves than these is removed."""
        lock = exclusive_lock(self.recorder.settings.home / "registry.lock", "beginning a training", LOCK_S)
        with lock, self.recorder.connection.translate_errors():
            run = self._find(model, curves)
            if run is None:
                tags = {"release": self.recorder.release, "training": f"{self.prefix}{model}"}
                tags |= {"candidate": model, "role": ROLE}
                run = self._client.create_run(
                    self.recorder.experiment_id(), tags=tags, run_name=f"{model}, in training"
                )
            run_id = str(run.info.run_id)
            self._client.update_run(run_id, "RUNNING")
            return run_id, {name: len(values) for name, values in self._logged(run).items()}

    def log(self, run_id: str, curves: Mapping[str, Sequence[float]], logged: Logged) -> None:
        """Log the values that the run does not have; `logged` is updated."""
        points = [
            (name, value, step)
            for name, values in curves.items()
            for step, value in enumerate(values)
            if step >= logged.get(name, 0)
        ]
        with self.recorder.connection.translate_errors():
            self.recorder.log_points(run_id, points)
        logged |= {name: len(values) for name, values in curves.items()}

    def end(self, run_id: str, is_done: bool) -> None:
        """Mark the run as finished or failed; it waits for `adopt`, or for the training to go on."""
        with self.recorder.connection.translate_errors():
            self._client.set_terminated(run_id, "FINISHED" if is_done else "FAILED")

    def adopt(self, parent: str, model: str, curves: Mapping[str, Sequence[float]]) -> Any | None:
        """Return the model's run, now below the parent and with all its curves; None where these curves have none.

        Killed at any point and called again, it ends the same. The caller holds the registry's lock.
        """
        run = self._find(model, curves)
        if run is None:
            return None
        run_id = run.info.run_id
        self.log(run_id, curves, {name: len(values) for name, values in self._logged(run).items()})
        self._untag(run, "release")  # the clean-up removes runs with it that no version has
        self._client.update_run(run_id, name=model)
        self._client.set_tag(run_id, PARENT, parent)
        self._untag(run, "training")
        return self._client.get_run(run_id)

    def remove_leftovers(self) -> None:
        """Remove the runs that no version has adopted. The caller holds the registry's lock."""
        for run in self._search(f"tags.training LIKE '{self.prefix}%'"):
            if not run.data.tags["training"].startswith(self.prefix):  # LIKE takes "_" for any character
                continue
            if PARENT in run.data.tags:  # adopted by a call that was killed
                self._untag(run, "training")
            else:
                self._client.delete_run(run.info.run_id)

    @property
    def _client(self) -> Any:
        return self.recorder.connection.client

    def _untag(self, run: Any, key: str) -> None:
        if key in run.data.tags:
            self._client.delete_tag(run.info.run_id, key)

    def _search(self, wanted: str) -> list[Any]:
        found = self._client.search_runs([self.recorder.experiment_id()], wanted, max_results=MAX_FOUND)
        return list(found)

    def _find(self, model: str, curves: Mapping[str, Sequence[float]]) -> Any | None:
        """Return the run whose values are the first of these curves; others of the model are removed."""
        for run in self._search(f"tags.training = '{self.prefix}{model}'"):
            if PARENT in run.data.tags:
                continue
            if all(list(curves.get(name, []))[: len(known)] == known for name, known in self._logged(run).items()):
                return run
            self._client.delete_run(run.info.run_id)
        return None

    def _logged(self, run: Any) -> dict[str, list[float]]:
        """Return curve -> its values by step."""
        found = {name: self._client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        return {name: [m.value for m in sorted(values, key=lambda m: m.step)] for name, values in found.items()}


@contextmanager
def follow_training(runs: TrainingRuns, model: str, folder: Path, poll_s: float = POLL_S) -> Iterator[None]:
    """Show the curves that the block's training writes to folder/curves.json in MLflow, from a thread.

    No error of MLflow reaches the block: the curves are then complete once the version is registered.
    """
    (folder / FILE).unlink(missing_ok=True)  # of an earlier training
    ended = Event()
    follower = _Follower(runs, model, folder)
    thread = Thread(target=follower.follow, args=(ended, poll_s), name=f"curves of {model}", daemon=True)
    thread.start()
    try:
        yield
        follower.is_done = True
    finally:
        ended.set()
        thread.join()


class _Follower:
    """Reads the curves of one training, and logs what is new."""

    def __init__(self, runs: TrainingRuns, model: str, folder: Path) -> None:
        self.runs, self.model, self.folder = runs, model, folder
        self.run_id: str | None = None
        self.logged: Logged = {}
        self.seen_ns = 0  # time of the file that was read last
        self.is_done = False  # whether the training ended without an error

    def follow(self, ended: Event, poll_s: float) -> None:
        started = time.monotonic()
        try:
            while not ended.wait(poll_s):
                self.update()
            self.update()
            if self.run_id is not None:
                self.runs.end(self.run_id, self.is_done)
        except CarouselError as error:
            waited = time.monotonic() - started
            log.warning("curves of %s are not shown while it trains (after %.0f s): %s", self.model, waited, error)

    def update(self) -> None:
        """Log the values that are new in the file, if it was replaced."""
        try:
            changed_ns = (self.folder / FILE).stat().st_mtime_ns
            if changed_ns == self.seen_ns:
                return
            curves = read_curves(self.folder)
        except (OSError, ValueError):  # not there yet, or removed at the end of the stage
            return
        self.seen_ns = changed_ns
        if self.run_id is None:
            self.run_id, self.logged = self.runs.begin(self.model, curves)
        self.runs.log(self.run_id, curves, self.logged)
