"""Runs in MLflow: the record of a bundle's numbers, curves and reports, and searches with their trials."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from components.contracts import Lineage
from components.release import records
from components.release.lock import exclusive_lock
from components.settings import Settings

LOCK_S = 120.0  # longest wait for another process that writes to the registry
MAX_METRICS, MAX_PARAMS = 1000, 100  # in one batch, by MLflow's API
MAX_PARAM_LENGTH, MAX_TAG_LENGTH = 6000, 5000
Point = tuple[str, float, int]  # metric, value, step


class Connection(Protocol):
    """The part of MlflowConnection (registry.py) that runs need."""

    @property
    def client(self) -> Any:
        """Return MLflow's client."""

    def translate_errors(self) -> AbstractContextManager[type[Any]]:
        """Raise MLflow's errors in the block as ReleaseError; yield MLflow's exception class."""

    def log_batch(self, run_id: str, points: Sequence[Point], params: Mapping[str, str]) -> None:
        """Log the values and parameters in one request."""

    def artifact_location(self) -> str | None:
        """Return the URI under which a new experiment keeps files; None: the server decides."""


class RunRecorder:
    """The runs of one MLflow experiment. A run is found by its tags, so each call can be repeated after a crash."""

    def __init__(self, connection: Connection, settings: Settings, experiment: str, release: str) -> None:
        """release: name of the registered model. Nothing is opened yet."""
        self.connection, self.settings = connection, settings
        self.experiment, self.release = experiment, release

    def begin(self, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of the run with these tags, created where there is none; it belongs to no version."""
        lock = exclusive_lock(self.settings.home / "registry.lock", "beginning a run", LOCK_S)
        with lock, self.connection.translate_errors():
            run_id = self._find(tags)
            if run_id is None:
                created = self.connection.client.create_run(self.experiment_id(), tags=dict(tags), run_name=name)
                run_id = str(created.info.run_id)
            self.connection.client.update_run(run_id, "RUNNING")
        return run_id

    def record_child(
        self, parent: str, name: str, values: Mapping[str, float], curves: Mapping[str, list[float]], state: str
    ) -> str:
        """Return the id of the run `name` below the parent, recorded now if it does not exist yet.

        values: its parameters. curves: metric -> its values, one per step. state: a tag; "failed" is also MLflow's.
        """
        points = [(key, value, step) for key, series in curves.items() for step, value in enumerate(series)]
        run_id = self.begin(name, {"mlflow.parentRunId": parent, "trial": name})
        client = self.connection.client
        with self.connection.translate_errors():
            if client.get_run(run_id).data.params.keys() != values.keys():  # logged in one batch with the curves
                self.connection.log_batch(run_id, points, {key: str(value) for key, value in values.items()})
            client.set_tag(run_id, "state", state)
            client.set_terminated(run_id, "FAILED" if state == "failed" else "FINISHED")
        return run_id

    def end(self, run_id: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Tag the run, add the files, and mark it as finished."""
        client = self.connection.client
        with self.connection.translate_errors():
            for key, value in tags.items():
                client.set_tag(run_id, key, value[:MAX_TAG_LENGTH])
            for file in files:
                client.log_artifact(run_id, str(file))
            client.set_terminated(run_id, "FINISHED")

    def run_of_bundle(self, lineage: Lineage) -> str:
        """Return the id of the bundle's run: an unfinished one, or a new one. The caller holds the registry's lock."""
        unfinished = self._find({"bundle_digest": lineage.bundle_digest, "release": self.release})
        if unfinished:
            return unfinished
        tags = records.make_tags(lineage) | {"release": self.release}
        name = f"{lineage.model} {lineage.as_of[:10]}"
        run = self.connection.client.create_run(self.experiment_id(), tags=tags, run_name=name)
        return str(run.info.run_id)

    def log(self, run_id: str, metrics: Mapping[str, float], reports: Path, run_params: Path, dvc_lock: Path) -> None:
        """Log parameters, metrics, curves and reports. All but curves may be logged again; a curve is logged once.

        MLflow keeps the first value of a parameter, also when another gate judges the same bundle again; the file
        run/params.yaml beside it is the newest.
        """
        client = self.connection.client
        curves = {name: values for name, values in records.read_curves(reports).items() if values}
        points: list[Point] = [(name, value, 0) for name, value in metrics.items() if name not in curves]
        earlier = client.get_run(run_id).data
        for name, values in curves.items():
            if name not in earlier.metrics:
                points += [(name, value, step) for step, value in enumerate(values)]
        for start in range(0, len(points), MAX_METRICS):
            self.connection.log_batch(run_id, points[start : start + MAX_METRICS], {})
        flat = records.flatten_params(run_params)
        params = [(name, value[:MAX_PARAM_LENGTH]) for name, value in flat.items() if name not in earlier.params]
        for start in range(0, len(params), MAX_PARAMS):
            self.connection.log_batch(run_id, [], dict(params[start : start + MAX_PARAMS]))
        for name in records.list_reports(reports):
            client.log_artifact(run_id, str(reports / name), (Path("reports") / name).parent.as_posix())
        for file in (run_params, dvc_lock):
            client.log_artifact(run_id, str(file), "run")

    def experiment_id(self) -> str:
        """Return the id of the MLflow experiment, created where there is none."""
        client = self.connection.client
        found = client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        location = self.connection.artifact_location()
        return str(client.create_experiment(self.experiment, artifact_location=location))

    def _find(self, tags: Mapping[str, str]) -> str | None:
        """Return the id of a run with all these tags; None where there is none."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.connection.client.search_runs([self.experiment_id()], wanted, max_results=1)
        return str(found[0].info.run_id) if found else None
