"""The adapter of MLflow: versions of the model with their lineage, and their aliases.

MLflow stores and displays. It loads no model: bundles are downloaded as files and checked against their digest.
"""

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from components import io
from components.contracts import ChampionRef, Completion, Decision, Evaluation, Lineage
from components.errors import ReleaseError, TamperedError
from components.faults import crash_point
from components.params import ReleaseParams
from components.privacy import accounting
from components.release import descriptions, local_database, mlflow_model, records
from components.release.lock import exclusive_lock
from components.release.manifest import README, check_files, is_intact
from components.release.mlflow_connection import MlflowConnection
from components.release.object_store import ObjectStore
from components.release.records import Version
from components.release.runs import LOCK_S, MAX_TAG_LENGTH, RunFiles, RunRecorder
from components.settings import Settings

__all__ = ["Alias", "Registry", "Version"]
Alias = Literal["champion", "challenger", "previous"]
EVALUATION = "evaluate/evaluation.json"
RECIPE = "recipe.json"  # in a bundle


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

    def register(self, bundle: Path, lineage: Lineage, files: RunFiles) -> int:
        """Return the version of this bundle, alias `challenger`; the same bundle is the same version.

        Killed at any point and called again, it ends with one run and one version. An evaluation that is new for a
        known bundle (another champion) updates the record. Raises ReleaseError for a metric that is not finite,
        TamperedError when the bundle is not the one of the lineage.
        """
        check_files(bundle, lineage.bundle_digest)
        files = replace(files, metrics=records.select_finite(files.metrics))
        evaluation = files.reports / EVALUATION
        digest = io.sha256_file(evaluation) if evaluation.exists() else ""
        with self._lock("registering a version"), self.connection.translate_errors():
            found = self._find(lineage.bundle_digest)
            run_id = found.run_id if found else self.runs.run_of_bundle(lineage)
            crash_point("register:run")
            if not found or found.evaluation_digest != digest:
                self.runs.log(run_id, lineage, files)
                crash_point("register:record")
            self.runs.training.remove_leftovers()
            if found:
                number = found.number
                self._client.set_model_version_tag(self.name, str(number), "evaluation_digest", digest)
            else:
                number = self._create(run_id, bundle, lineage, digest, files.run_params)
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
        try:
            return self.fetch_run(version.run_id, version.lineage.bundle_digest, folder)
        except TamperedError as error:
            raise TamperedError(f"version {number} of {self.name} in the registry: {error}") from None

    def fetch_run(self, run_id: str, digest: str, folder: Path) -> Path:
        """Return folder, holding the bundle with this digest from the record of a run, as `fetch` does."""
        if is_intact(folder, digest):
            return folder
        with io.temporary_folder(folder) as temporary:
            with self.connection.translate_errors():
                path = self.objects.download(run_id, digest, temporary, folder.parent)
            check_files(path, digest)
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

    def describe(self, number: int, decision: Decision, evaluation: Evaluation) -> None:
        """Show the decision on MLflow's pages of the version and its run, and in the tag `validation_status`."""
        run_id = self.version(number).run_id
        with self.connection.translate_errors():
            experiment = self._client.get_run(run_id).info.experiment_id
            text = descriptions.describe_version(decision, evaluation, f"#/experiments/{experiment}/runs/{run_id}")
            self._client.update_model_version(self.name, str(number), text)
            self._client.set_tag(run_id, "mlflow.note.content", text[:MAX_TAG_LENGTH])
        self.tag(number, descriptions.STATUS, descriptions.status_of(decision))

    def download_artifact(self, number: int, name: str, folder: Path) -> Path:
        """Return a file of the version's record, such as run/params.yaml, copied below folder."""
        run_id = self.version(number).run_id
        folder.mkdir(parents=True, exist_ok=True)
        with self.connection.translate_errors():
            return Path(self._client.download_artifacts(run_id, name, str(folder)))

    def list_artifacts(self, number: int, folder: str) -> list[str]:
        """Return the names of the files of the version's record that lie in this folder, such as reports/summary."""
        run_id = self.version(number).run_id
        with self.connection.translate_errors():
            return sorted(file.path for file in self._client.list_artifacts(run_id, folder) if not file.is_dir)

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

    def _create(self, run_id: str, bundle: Path, lineage: Lineage, evaluation_digest: str, run_params: Path) -> int:
        self.objects.upload(run_id, bundle)
        if (bundle / README).is_file():
            self._client.log_artifact(run_id, str(bundle / README), "card")
        crash_point("register:bundle")
        with TemporaryDirectory(prefix="carousel-model-") as folder:
            built = mlflow_model.write_model(Path(folder) / "model", bundle, run_params, run_id, self.name, lineage)
            self._client.log_artifacts(run_id, str(built), mlflow_model.FOLDER)
        crash_point("register:model")
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{mlflow_model.FOLDER}"
        try:
            text = descriptions.REGISTERED_MODEL.format(name=self.name)
            self._client.create_registered_model(self.name, description=text)
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = records.make_tags(lineage) | {"evaluation_digest": evaluation_digest}
        tags[descriptions.STATUS] = descriptions.PENDING
        tags |= _completion_tags(bundle)
        if (bundle / RECIPE).is_file():
            tags["recipe_digest"] = io.sha256_file(bundle / RECIPE)
        spending = io.find_record(bundle / accounting.FILE, accounting.Spending, "privacy")
        if spending is not None:
            tags["privacy"] = spending.describe()
        text = descriptions.describe_pending(lineage)
        return int(self._client.create_model_version(self.name, source, run_id, tags=tags, description=text).version)


def _completion_tags(bundle: Path) -> dict[str, str]:
    """Return up to when the model was judged, and up to when what ships has learned, of a refreshed bundle."""
    found = json.loads((bundle / "info.json").read_bytes()).get("completion")
    done = Completion.model_validate(found) if found else None
    return {"judged_until": done.judged_until, "learned_until": done.shipped_until} if done else {}
