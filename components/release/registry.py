"""The only door to MLflow: versions of the model with their lineage, aliases, and the record of each run.

MLflow keeps and shows. It loads nothing here: bundles come back as files, checked against their digest.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from components import io
from components.contracts import ChampionRef, Lineage
from components.errors import ReleaseError, TamperedError
from components.faults import crash_point
from components.params import ReleaseParams
from components.release import records
from components.release.lock import exclusive_lock
from components.release.manifest import check_files
from components.release.records import Version
from components.settings import Settings

__all__ = ["Alias", "Registry", "Version"]
Alias = Literal["champion", "challenger", "previous"]
EVALUATION = "evaluate/evaluation.json"
BOUNDS = {  # MLflow's own wait over a minute for a server that is gone, and two hours for a database
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
LOCK_S = 120.0  # longest wait for another process that is registering


class Registry:
    """The registered model `release.name`. Nothing is created before the first `register`; reading is cheap."""

    def __init__(self, settings: Settings, release: ReleaseParams) -> None:
        """settings: resolved. Nothing is opened yet."""
        self.settings = settings
        self.name = release.name
        self.experiment = release.experiment

    def prepare(self) -> None:
        """Open the registry, and make the local database where there is none; raises ReleaseError if unreachable."""
        with exclusive_lock(self.settings.home / "registry.lock", "opening the registry", LOCK_S), self._door():
            self._client.search_registered_models(max_results=1)

    def register(
        self,
        bundle: Path,
        lineage: Lineage,
        metrics: dict[str, float],
        reports: Path,
        run_params: Path,
        dvc_lock: Path,
    ) -> int:
        """Return the version of this bundle, alias `challenger`; the same bundle is the same version.

        Killed at any point and called again, it ends with one run and one version. An evaluation that is new for a
        known bundle (another champion) updates the record. Raises ReleaseError for a metric that is not finite,
        TamperedError when the bundle is not the one of the lineage.
        """
        check_files(bundle, lineage.bundle_digest)
        numbers = records.finite_metrics(metrics)
        evaluation = reports / EVALUATION
        digest = io.sha256_file(evaluation) if evaluation.exists() else ""
        with exclusive_lock(self.settings.home / "registry.lock", "registering a version", LOCK_S), self._door():
            found = self._find(lineage.bundle_digest)
            run_id = found.run_id if found else self._run(lineage)
            crash_point("register:run")
            if not found or found.evaluation_digest != digest:
                self._record(run_id, numbers, reports, run_params, dvc_lock)
                crash_point("register:record")
            if found:
                number = found.number
                self._client.set_model_version_tag(self.name, str(number), "evaluation_digest", digest)
            else:
                number = self._create(run_id, bundle, lineage, digest)
                crash_point("register:version")
            self._client.set_terminated(run_id, "FINISHED")
            self._client.set_registered_model_alias(self.name, "challenger", str(number))
        return number

    def alias(self, name: Alias) -> Version | None:
        """Return the version under the alias; None where there is none, or nothing was ever registered."""
        number = self.aliases().get(name)
        if number is None:
            return None
        with self._door():
            return self._read(number)

    def aliases(self) -> dict[str, int]:
        """Return alias -> version number; empty where nothing was ever registered."""
        if self._is_empty():
            return {}
        with self._door() as errors:
            try:
                found = self._client.get_registered_model(self.name).aliases
            except errors as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
        return {alias: int(number) for alias, number in found.items()}

    def version(self, number: int) -> Version:
        """Return a version; raises ReleaseError when there is no such one, or it has no lineage."""
        if self._is_empty():
            raise ReleaseError(f"version {number} of {self.name}: nothing is registered yet; run `carousel retrain`")
        with self._door() as errors:
            try:
                return self._read(number)
            except errors as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        raise ReleaseError(f"version {number} of {self.name} is not in the registry; it has {list(self.digests())}")

    def versions(self) -> list[Version]:
        """Return all versions with a lineage, oldest first."""
        with self._door():
            return [self._read(number) for number in self.digests()]

    def digests(self) -> dict[int, str]:
        """Return version number -> bundle digest of all versions, oldest first: what exists, in one question."""
        if self._is_empty():
            return {}
        with self._door():
            rows = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        found = {int(row.version): row.tags["bundle_digest"] for row in rows if "bundle_digest" in row.tags}
        return dict(sorted(found.items()))

    def ref(self, number: int) -> ChampionRef:
        """Return what a decision and champion.json say about the version."""
        lineage = self.version(number).lineage
        return ChampionRef(version=number, digest=lineage.bundle_digest, model=lineage.model)

    def move(self, alias: Alias, number: int | None) -> None:
        """Point the alias to the version; None removes it. Raises ReleaseError when it did not take.

        MLflow lets the last writer win: who calls this holds promotion.lock.
        """
        with self._door():
            if number is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, str(number))
        came = self.aliases().get(alias)
        if came != number:
            raise ReleaseError(f"alias {alias}: set to {number}, the registry says {came}")

    def fetch(self, number: int, folder: Path) -> Path:
        """Return folder, holding the version's bundle, every byte checked; a bundle that is there is kept.

        Raises TamperedError naming the file when the registry's copy is not what was registered.
        """
        version = self.version(number)
        if _is_whole(folder, version.lineage.bundle_digest):
            return folder
        with io.temporary_folder(folder) as temporary:
            with self._door():
                path = Path(self._client.download_artifacts(version.run_id, "bundle", str(temporary)))
            try:
                check_files(path, version.lineage.bundle_digest)
            except TamperedError as error:
                raise TamperedError(f"version {number} of {self.name} in the registry: {error}") from None
            shutil.rmtree(folder, ignore_errors=True)
            path.replace(folder)
        return folder

    def attach(self, number: int, file: Path, folder: str = "reports") -> None:
        """Add a file, such as the decision, to the record of the version."""
        run_id = self.version(number).run_id
        with self._door():
            self._client.log_artifact(run_id, str(file), folder)

    def tag(self, number: int, key: str, value: str) -> None:
        """Tag the version."""
        with self._door():
            self._client.set_model_version_tag(self.name, str(number), key, value[:5000])

    def begin(self, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of the run with these tags, begun now where there is none; it is of no version."""
        with exclusive_lock(self.settings.home / "registry.lock", "beginning a run", LOCK_S), self._door():
            found = self._tagged(tags)
            if found is None:
                found = self._client.create_run(self._experiment(), tags=dict(tags), run_name=name).info.run_id
            self._client.update_run(found, "RUNNING")
        return str(found)

    def nest(
        self, parent: str, name: str, knobs: Mapping[str, float], curves: Mapping[str, list[float]], state: str
    ) -> str:
        """Return the id of the run `name` below the parent, recorded now where it is not there yet.

        curves: metric -> its values, one a step. state: a tag; "failed" is MLflow's own, too.
        """
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        points = [Metric(key, value, now, step) for key, values in curves.items() for step, value in enumerate(values)]
        run_id = self.begin(name, {"mlflow.parentRunId": parent, "trial": name})
        with self._door():
            if self._client.get_run(run_id).data.params.keys() != knobs.keys():  # all of it in one batch
                self._client.log_batch(run_id, points, [Param(key, str(value)) for key, value in knobs.items()])
            self._client.set_tag(run_id, "state", state)
            self._client.set_terminated(run_id, "FAILED" if state == "failed" else "FINISHED")
        return run_id

    def end(self, run_id: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Tag the run, add the files, and mark it as finished."""
        with self._door():
            for key, value in tags.items():
                self._client.set_tag(run_id, key, value[:5000])
            for file in files:
                self._client.log_artifact(run_id, str(file))
            self._client.set_terminated(run_id, "FINISHED")

    def artifact(self, number: int, name: str, folder: Path) -> Path:
        """Return a file of the version's record, such as run/params.yaml, copied below folder."""
        run_id = self.version(number).run_id
        folder.mkdir(parents=True, exist_ok=True)
        with self._door():
            return Path(self._client.download_artifacts(run_id, name, str(folder)))

    @cached_property
    def _client(self) -> Any:
        for key, value in BOUNDS.items():
            os.environ.setdefault(key, value)
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        utils.MAX_RETRY_COUNT = 3  # no setting for it; ten tries are 100 s of silence
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
        uri = self.settings.tracking_uri
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    @contextmanager
    def _door(self) -> Iterator[type[Any]]:
        """Turn whatever MLflow, its database or the network raise into a ReleaseError; yield MLflow's exception."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield MlflowException
        except (MlflowException, SQLAlchemyError, OSError) as error:
            where = self.settings.tracking_uri.split("@")[-1]  # without a password
            first = str(error).strip().splitlines()[0][:300]
            raise ReleaseError(f"registry at {where}: {type(error).__name__}: {first}; nothing was promoted") from error

    def _is_empty(self) -> bool:
        """Return whether the registry is a local database that does not exist yet: no reason to make one."""
        path = self._database()
        return path is not None and not path.exists()

    def _database(self) -> Path | None:
        uri = self.settings.tracking_uri
        return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None

    def _find(self, digest: str) -> Version | None:
        if self._is_empty():
            return None
        rows = self._client.search_model_versions(f"name = '{self.name}' and tags.bundle_digest = '{digest}'")
        return self._read(min(int(row.version) for row in rows)) if rows else None

    def _read(self, number: int | str) -> Version:
        row = self._client.get_model_version(self.name, str(number))
        run = self._client.get_run(row.run_id)
        return records.version_of(row, dict(run.data.metrics))

    def _run(self, lineage: Lineage) -> str:
        """Return the run of this bundle: one that was begun and not finished, or a new one."""
        experiment = self._experiment()
        begun = self._tagged({"bundle_digest": lineage.bundle_digest, "release": self.name})
        if begun:
            return begun
        tags = records.lineage_tags(lineage) | {"release": self.name}
        run = self._client.create_run(experiment, tags=tags, run_name=f"{lineage.model} {lineage.as_of[:10]}")
        return str(run.info.run_id)

    def _tagged(self, tags: Mapping[str, str]) -> str | None:
        """Return the id of a run with all these tags; None where there is none."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = self._client.search_runs([self._experiment()], wanted, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        local = self._database() is not None
        where = (self.settings.home / "mlflow-artifacts").as_uri() if local else None
        return str(self._client.create_experiment(self.experiment, artifact_location=where))

    def _record(
        self, run_id: str, metrics: Mapping[str, float], reports: Path, run_params: Path, dvc_lock: Path
    ) -> None:
        """Log parameters, metrics, curves and reports. All may be logged again; a curve is drawn once.

        A parameter keeps its first value, as MLflow will have it: the same bundle may be judged again by another gate.
        The file run/params.yaml beside it is the newest.
        """
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        lines = {name: values for name, values in records.curves(reports).items() if values}
        points = [Metric(name, value, now, 0) for name, value in metrics.items() if name not in lines]
        before = self._client.get_run(run_id).data
        for name, values in lines.items():
            if name not in before.metrics:
                points += [Metric(name, value, now, step) for step, value in enumerate(values)]
        for start in range(0, len(points), 1000):
            self._client.log_batch(run_id, metrics=points[start : start + 1000])
        values_of = records.flat_params(run_params)
        knobs = [Param(name, value[:6000]) for name, value in values_of.items() if name not in before.params]
        for start in range(0, len(knobs), 100):
            self._client.log_batch(run_id, params=knobs[start : start + 100])
        for name in records.report_files(reports):
            self._client.log_artifact(run_id, str(reports / name), (Path("reports") / name).parent.as_posix())
        for file in (run_params, dvc_lock):
            self._client.log_artifact(run_id, str(file), "run")

    def _create(self, run_id: str, bundle: Path, lineage: Lineage, evaluation_digest: str) -> int:
        self._client.log_artifacts(run_id, str(bundle), "bundle")
        crash_point("register:bundle")
        source = f"{self._client.get_run(run_id).info.artifact_uri}/bundle"
        try:
            self._client.create_registered_model(self.name)
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = records.lineage_tags(lineage) | {"evaluation_digest": evaluation_digest}
        return int(self._client.create_model_version(self.name, source, run_id, tags=tags).version)


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        return check_files(folder, digest) == digest
    except TamperedError:
        return False
