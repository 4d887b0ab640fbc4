"""The adapter of MLflow: versions of the model with their lineage, and their aliases.

MLflow stores and displays. It loads no model: bundles are downloaded as files and checked against their digest.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from components import io
from components.contracts import ChampionRef, Lineage
from components.errors import ReleaseError, TamperedError
from components.faults import crash_point
from components.params import ReleaseParams
from components.redact import redact
from components.release import local_database, records
from components.release.lock import exclusive_lock
from components.release.manifest import check_files, is_intact
from components.release.object_store import ObjectStore
from components.release.records import Version
from components.release.runs import LOCK_S, MAX_TAG_LENGTH, Point, RunRecorder
from components.settings import Settings

__all__ = ["Alias", "Registry", "Version"]
Alias = Literal["champion", "challenger", "previous"]
EVALUATION = "evaluate/evaluation.json"
RECIPE = "recipe.json"  # in a bundle
ENVIRONMENT = {  # by default MLflow waits over a minute for an unreachable server, and two hours for a database
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowConnection:
    """The client of one tracking server or database, opened on first use; MLflow's errors become ReleaseError."""

    def __init__(self, settings: Settings) -> None:
        """settings: resolved."""
        self.settings = settings

    @cached_property
    def client(self) -> Any:
        """Return MLflow's client, whose waits are bounded."""
        for key, value in ENVIRONMENT.items():
            os.environ.setdefault(key, value)
        from mlflow.store.db import utils
        from mlflow.tracking import MlflowClient

        utils.MAX_RETRY_COUNT = 3  # no setting for it; the default of ten takes 100 s without a message
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
        uri = self.settings.tracking_uri
        local_database.prepare(uri, self.settings.home / "mlflow-artifacts")
        try:
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
        except (ValueError, ImportError) as error:  # not an address, or the database's driver is not installed
            raise ReleaseError(f"registry at {uri}: {error}; correct CAROUSEL_TRACKING_URI") from None

    @contextmanager
    def translate_errors(self) -> Iterator[type[Any]]:
        """Raise errors of MLflow, its database or the network as ReleaseError; yield MLflow's exception class."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield MlflowException
        except (MlflowException, SQLAlchemyError, OSError) as error:
            first = next(iter(redact(str(error)).strip().splitlines()), "")[:300]  # redacted before it is cut
            where = self.settings.tracking_uri
            raise ReleaseError(f"registry at {where}: {type(error).__name__}: {first}; nothing was promoted") from error

    def log_batch(self, run_id: str, points: Sequence[Point], params: Mapping[str, str]) -> None:
        """Log the values and parameters in one request."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        self.client.log_batch(run_id, metrics, [Param(name, value) for name, value in params.items()])

    def artifact_location(self) -> str | None:
        """Return the folder of artifacts beside a local database; None: the server decides."""
        local = local_database.path_of(self.settings.tracking_uri)
        return (self.settings.home / "mlflow-artifacts").as_uri() if local else None

    def artifact_repository(self, uri: str) -> Any:
        """Return MLflow's access to the files below a URI, local, on the server or in an object store."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(uri, tracking_uri=self.settings.tracking_uri)

    def is_empty(self) -> bool:
        """Return whether the registry is a local database that does not exist yet; reading does not create it."""
        return local_database.is_missing(self.settings.tracking_uri)


class Registry:
    """The registered model `release.name`. Nothing is created before the first `register`; reading is cheap."""

    def __init__(self, settings: Settings, release: ReleaseParams) -> None:
        """settings: resolved. Nothing is opened yet."""
        self.settings = settings
        self.name = release.name
        self.connection = MlflowConnection(settings)
        self.runs = RunRecorder(self.connection, settings, release.experiment, release.name)
        self.objects = ObjectStore(self.connection, release.name)

    def prepare(self) -> None:
        """Open the registry, and make the local database where there is none; raises ReleaseError if unreachable."""
        with self._lock("opening the registry"), self.connection.translate_errors():
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
        numbers = records.select_finite(metrics)
        evaluation = reports / EVALUATION
        digest = io.sha256_file(evaluation) if evaluation.exists() else ""
        with self._lock("registering a version"), self.connection.translate_errors():
            found = self._find(lineage.bundle_digest)
            run_id = found.run_id if found else self.runs.run_of_bundle(lineage)
            crash_point("register:run")
            if not found or found.evaluation_digest != digest:
                self.runs.log(run_id, numbers, reports, run_params, dvc_lock)
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
        with self.connection.translate_errors():
            return self._read(number)

    def aliases(self) -> dict[str, int]:
        """Return alias -> version number; empty where nothing was ever registered."""
        known = local_database.read_aliases(self.settings.tracking_uri, self.name)
        if known is not None:
            return known
        with self.connection.translate_errors() as errors:
            try:
                found = self._client.get_registered_model(self.name).aliases
            except errors as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
        return {alias: int(number) for alias, number in found.items()}

    def serving(self) -> ChampionRef | None:
        """Return the champion; None where nothing serves."""
        number = self.aliases().get("champion")
        return None if number is None else self.ref(number)

    def version(self, number: int) -> Version:
        """Return a version; raises ReleaseError when there is no such one, or it has no lineage."""
        if self.connection.is_empty():
            raise ReleaseError(f"version {number} of {self.name}: nothing is registered yet; run `carousel retrain`")
        with self.connection.translate_errors() as errors:
            try:
                return self._read(number)
            except errors as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        raise ReleaseError(f"version {number} of {self.name} is not in the registry; it has {list(self.digests())}")

    def versions(self) -> list[Version]:
        """Return all versions with a lineage, oldest first."""
        with self.connection.translate_errors():
            return [self._read(number) for number in self.digests()]

    def digests(self) -> dict[int, str]:
        """Return version number -> bundle digest of all versions, oldest first, by one request."""
        if self.connection.is_empty():
            return {}
        with self.connection.translate_errors():
            rows = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        found = {int(row.version): row.tags["bundle_digest"] for row in rows if "bundle_digest" in row.tags}
        return dict(sorted(found.items()))

    def ref(self, number: int) -> ChampionRef:
        """Return the version's record for a decision and champion.json."""
        tags = local_database.read_tags(self.settings.tracking_uri, self.name, number)
        lineage = records.parse_lineage(self.name, number, tags) if tags else self.version(number).lineage
        return ChampionRef(version=number, digest=lineage.bundle_digest, model=lineage.model)

    def move(self, alias: Alias, number: int | None) -> None:
        """Point the alias to the version; None removes it. Raises ReleaseError if the registry does not confirm it.

        In MLflow the last writer wins: the caller must hold promotion.lock.
        """
        with self.connection.translate_errors():
            if number is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, str(number))
        actual = self.aliases().get(alias)
        if actual != number:
            raise ReleaseError(f"alias {alias}: set to {number}, the registry says {actual}")

    def fetch(self, number: int, folder: Path) -> Path:
        """Return folder, holding the version's bundle, every byte checked; an intact bundle in it is not fetched again.

        Large files that bundles beside it hold are hard links to theirs.
        Raises TamperedError naming the file when the registry's copy is not what was registered.
        """
        version = self.version(number)
        digest = version.lineage.bundle_digest
        if is_intact(folder, digest):
            return folder
        with io.temporary_folder(folder) as temporary:
            try:
                with self.connection.translate_errors():
                    path = self.objects.download(version.run_id, digest, temporary, folder.parent)
                check_files(path, digest)
            except TamperedError as error:
                raise TamperedError(f"version {number} of {self.name} in the registry: {error}") from None
            shutil.rmtree(folder, ignore_errors=True)
            path.replace(folder)
        return folder

    def attach(self, number: int, file: Path, folder: str = "reports") -> None:
        """Add a file, such as the decision, to the record of the version."""
        run_id = self.version(number).run_id
        with self.connection.translate_errors():
            self._client.log_artifact(run_id, str(file), folder)

    def tag(self, number: int, key: str, value: str) -> None:
        """Tag the version."""
        with self.connection.translate_errors():
            self._client.set_model_version_tag(self.name, str(number), key, value[:MAX_TAG_LENGTH])

    def download_artifact(self, number: int, name: str, folder: Path) -> Path:
        """Return a file of the version's record, such as run/params.yaml, copied below folder."""
        run_id = self.version(number).run_id
        folder.mkdir(parents=True, exist_ok=True)
        with self.connection.translate_errors():
            return Path(self._client.download_artifacts(run_id, name, str(folder)))

    @property
    def _client(self) -> Any:
        return self.connection.client

    def _lock(self, what: str) -> AbstractContextManager[None]:
        return exclusive_lock(self.settings.home / "registry.lock", what, LOCK_S)

    def _find(self, digest: str) -> Version | None:
        if self.connection.is_empty():
            return None
        rows = self._client.search_model_versions(f"name = '{self.name}' and tags.bundle_digest = '{digest}'")
        return self._read(min(int(row.version) for row in rows)) if rows else None

    def _read(self, number: int | str) -> Version:
        row = self._client.get_model_version(self.name, str(number))
        run = self._client.get_run(row.run_id)
        return records.parse_version(row, dict(run.data.metrics))

    def _create(self, run_id: str, bundle: Path, lineage: Lineage, evaluation_digest: str) -> int:
        self.objects.upload(run_id, bundle)
        crash_point("register:bundle")
        source = f"{self._client.get_run(run_id).info.artifact_uri}/bundle"
        try:
            self._client.create_registered_model(self.name)
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = records.make_tags(lineage) | {"evaluation_digest": evaluation_digest}
        if (bundle / RECIPE).is_file():
            tags["recipe_digest"] = io.sha256_file(bundle / RECIPE)
        return int(self._client.create_model_version(self.name, source, run_id, tags=tags).version)
