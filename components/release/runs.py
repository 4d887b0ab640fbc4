"""Runs in MLflow: the record of a bundle with a child for each candidate, and searches with their trials."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from components.contracts import Lineage
from components.release import records
from components.release.candidates import CandidateRun, headline, split_candidates
from components.release.lock import exclusive_lock
from components.release.training_runs import TrainingRuns
from components.settings import Settings

LOCK_S = 120.0  # longest wait for another process that writes to the registry
MAX_METRICS, MAX_PARAMS = 1000, 100  # in one batch, by MLflow's API
MAX_PARAM_LENGTH, MAX_TAG_LENGTH = 6000, 5000
MAX_CHILDREN = 1000
KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow then opens its pages of runs and models
Point = tuple[str, float, int]  # metric, value, step


@dataclass(frozen=True)
class RunFiles:
    """What a run of the pipeline leaves for the record of its version."""

    metrics: Mapping[str, float]  # of all stages, such as "evaluate/test/als/ndcg_at_10"
    reports: Path
    run_params: Path
    dvc_lock: Path
    primary: str  # the metric that decides


class Connection(Protocol):
    """The part of MlflowConnection (mlflow_connection.py) that runs need."""

    @property
    def client(self) -> Any:
        """Return MLflow's client."""

    def translate_errors(self) -> AbstractContextManager[type[Any]]:
        """Raise MLflow's errors in the block as ReleaseError; yield MLflow's exception class."""

    def log_batch(self, run_id: str, points: Sequence[Point], params: Mapping[str, str]) -> None:
        """Log the values and parameters in one request."""

    def log_dataset(self, run_id: str, dataset: records.LoggedDataset) -> None:
        """Log the data set as an input of the run."""

    def artifact_location(self) -> str | None:
        """Return the URI under which a new experiment keeps files; None: the server decides."""


class RunRecorder:
    """The runs of one MLflow experiment. A run is found by its tags, so each call can be repeated after a crash."""

    def __init__(self, connection: Connection, settings: Settings, experiment: str, release: str) -> None:
        """release: name of the registered model. Nothing is opened yet."""
        self.connection, self.settings = connection, settings
        self.experiment, self.release = experiment, release
        self.training = TrainingRuns(self)

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

    def log(self, run_id: str, lineage: Lineage, files: RunFiles) -> None:
        """Log parameters, headline metrics, the data set, reports, and a child run for each candidate.

        All but curves may be logged again; a curve is logged once. MLflow keeps the first value of a parameter, also
        when another gate judges the same bundle again; the file run/params.yaml beside it is the newest.
        """
        client = self.connection.client
        numbers = headline(files.metrics, lineage.model, files.primary)
        self.log_points(run_id, [(name, value, 0) for name, value in numbers.items()])
        flat, earlier = records.flatten_params(files.run_params), client.get_run(run_id).data
        params = [(name, value[:MAX_PARAM_LENGTH]) for name, value in flat.items() if name not in earlier.params]
        for start in range(0, len(params), MAX_PARAMS):
            self.connection.log_batch(run_id, [], dict(params[start : start + MAX_PARAMS]))
        self.connection.log_dataset(run_id, records.describe_dataset(self.release, lineage, numbers))
        curves = records.read_curves(files.reports)
        self._record_candidates(run_id, split_candidates(files.metrics, flat, curves, lineage.model, files.primary))
        for name in records.list_reports(files.reports):
            client.log_artifact(run_id, str(files.reports / name), (Path("reports") / name).parent.as_posix())
        for file in (files.run_params, files.dvc_lock):
            client.log_artifact(run_id, str(file), "run")

    def children(self, run_id: str) -> list[Any]:
        """Return the runs below the run."""
        wanted = f"tags.`mlflow.parentRunId` = '{run_id}'"
        return list(self.connection.client.search_runs([self.experiment_id()], wanted, max_results=MAX_CHILDREN))

    def _record_candidates(self, run_id: str, found: Sequence[CandidateRun]) -> None:
        """Record each candidate as a child of the run; one that is recorded already gets the newer metrics.

        A run that has shown the candidate's curves while it was trained becomes the child.
        """
        client, experiment = self.connection.client, self.experiment_id()
        known = {child.data.tags.get("candidate"): child for child in self.children(run_id)}
        for candidate in found:
            child = known.get(candidate.name)
            tags = {"mlflow.parentRunId": run_id, "candidate": candidate.name, "role": candidate.role}
            if child is None and candidate.curves:
                child = self.training.adopt(run_id, candidate.name, candidate.curves)
            child = child or client.create_run(experiment, tags=tags, run_name=candidate.name)
            if child.data.tags.get("role") != candidate.role:
                client.set_tag(child.info.run_id, "role", candidate.role)
            points = [(name, value, 0) for name, value in candidate.metrics.items()]
            for name, values in candidate.curves.items():
                if name not in child.data.metrics:
                    points += [(name, value, step) for step, value in enumerate(values)]
            params = {name: value[:MAX_PARAM_LENGTH] for name, value in candidate.params.items()}
            self.log_points(child.info.run_id, points, {} if child.data.params else params)
            client.set_terminated(child.info.run_id, "FINISHED")

    def log_points(self, run_id: str, points: Sequence[Point], params: Mapping[str, str] | None = None) -> None:
        """Log the values and parameters in as few requests as MLflow allows."""
        for start in range(0, max(len(points), 1), MAX_METRICS):
            first = params if params and not start else {}
            self.connection.log_batch(run_id, points[start : start + MAX_METRICS], first)

    def experiment_id(self) -> str:
        """Return the id of the MLflow experiment, created where there is none."""
        client = self.connection.client
        found = client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        location = self.connection.artifact_location()
        return str(client.create_experiment(self.experiment, artifact_location=location, tags=KIND))

    def _find(self, tags: Mapping[str, str]) -> str | None:
        """Return the id of a run with all these tags; None where there is none."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self.connection.client.search_runs([self.experiment_id()], wanted, max_results=1)
        return str(found[0].info.run_id) if found else None
