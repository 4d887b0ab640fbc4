"""Large files of registered bundles, stored once by their sha256 in MLflow's artifact store.

The record of a version holds the manifest and the small files of its bundle. A file of MIN_BYTES or more is at
`objects/<release>/<sha256>/<name>` below the artifact location of the experiment; the manifest is the reference to it.
Versions registered by 0.2.0 or earlier hold all their files; they are read as before.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from components import io
from components.errors import CarouselError
from components.faults import crash_point
from components.release.manifest import MANIFEST, list_files, read_manifest

MIN_BYTES = 1 << 20  # smaller files stay in the record of the version
FOLDER = "bundle"  # in the record of a version


class ArtifactConnection(Protocol):
    """The part of MlflowConnection (mlflow_connection.py) that the store needs."""

    @property
    def client(self) -> Any:
        """Return MLflow's client."""

    def artifact_repository(self, uri: str) -> Any:
        """Return MLflow's access to the files below a URI."""


class StoredObject(NamedTuple):
    """A file in the store."""

    digest: str  # sha256, hexadecimal
    size: int  # bytes


class ObjectStore:
    """The large files of one registered model. Raises MLflow's errors and OSError: callers translate them."""

    def __init__(self, connection: ArtifactConnection, release: str) -> None:
        """release: name of the registered model; models do not share objects, so that each can be cleaned up alone."""
        self.connection, self.release = connection, release

    def upload(self, run_id: str, bundle: Path) -> None:
        """Store the bundle as the record of the run; a large file that is stored already, intact, is not sent again.

        The manifest is sent last: a record with a manifest is complete.
        """
        store, entries = self._open(run_id), read_manifest(bundle)
        for name in [*sorted(entries), MANIFEST]:
            entry = entries.get(name)
            if entry is None or entry["bytes"] < MIN_BYTES:
                parent = (Path(FOLDER) / name).parent.as_posix()
                self.connection.client.log_artifact(run_id, str(bundle / name), parent)
            elif not _is_stored(store, entry["sha256"], entry["bytes"]):
                store.log_artifact(str(bundle / name), entry["sha256"])
                crash_point("register:object")

    def download(self, run_id: str, digest: str, folder: Path, nearby: Path) -> Path:
        """Return a new folder below `folder` with the bundle, as stored: the caller checks its files.

        digest: of the bundle. nearby: a folder of other bundles; a large file that one of them holds becomes a hard
        link to it. A file that is not in the store is left out. Raises TamperedError for a wrong manifest.
        """
        path = Path(self.connection.client.download_artifacts(run_id, FOLDER, str(folder)))
        entries = read_manifest(path, digest)
        present = set(list_files(path))
        large = {name: entry for name, entry in entries.items() if entry["bytes"] >= MIN_BYTES}
        missing = {name: entry for name, entry in large.items() if name not in present}
        store = self._open(run_id) if missing else None
        for name, entry in missing.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _link(nearby, entry, target):
                _fetch(store, entry["sha256"], folder / "object", target)
        return path

    def objects(self, experiment_id: str) -> Iterator[StoredObject]:
        """Yield what is stored."""
        store = self._open_experiment(experiment_id)
        for entry in store.list_artifacts():
            if entry.is_dir:
                sizes = [int(file.file_size or 0) for file in store.list_artifacts(entry.path)]
                yield StoredObject(Path(entry.path).name, sum(sizes))

    def delete(self, experiment_id: str, digest: str) -> None:
        """Delete an object that no version needs."""
        self._open_experiment(experiment_id).delete_artifacts(digest)

    def _open(self, run_id: str) -> Any:
        return self._open_experiment(self.connection.client.get_run(run_id).info.experiment_id)

    def _open_experiment(self, experiment_id: str) -> Any:
        location = self.connection.client.get_experiment(experiment_id).artifact_location.rstrip("/")
        return self.connection.artifact_repository(f"{location}/objects/{self.release}")


def _is_stored(store: Any, digest: str, size: int) -> bool:
    """Return whether the object is complete; in a local folder its bytes are checked: a damaged one is sent again."""
    files = [file for file in store.list_artifacts(digest) if file.file_size == size]
    folder = getattr(store, "artifact_dir", None)  # of MLflow's local store
    return bool(files) and (folder is None or all(io.sha256_file(Path(folder) / f.path) == digest for f in files))


def _fetch(store: Any, digest: str, temporary: Path, target: Path) -> None:
    for file in store.list_artifacts(digest)[:1]:
        temporary.mkdir(exist_ok=True)
        Path(store.download_artifacts(file.path, str(temporary))).replace(target)
        shutil.rmtree(temporary)


def _link(nearby: Path, entry: dict[str, Any], target: Path) -> bool:
    """Make `target` a hard link to an intact file of a bundle in `nearby`; return whether one was found."""
    for manifest in sorted(nearby.glob(f"*/{MANIFEST}")):
        with suppress(
            CarouselError, OSError
        ):  # another bundle may be damaged, or removed meanwhile: the store has the file
            for name, other in read_manifest(manifest.parent).items():
                source = manifest.parent / name
                if other == entry and not source.is_symlink() and io.sha256_file(source) == entry["sha256"]:
                    os.link(source, target)
                    return True
    return False
