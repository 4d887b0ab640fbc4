"""Restores stage outputs from DVC's cache or remote, every byte checked: DVC itself checks out what it finds."""

import json
import logging
import shutil
from contextlib import suppress
from pathlib import Path

from components.errors import ReleaseError, TamperedError
from components.release.digests import dvc_digest, file_md5
from components.release.dvc_lock import read_digest, read_outputs
from components.release.dvc_repository import open_repository
from components.release.integrity import damaged_inputs

log = logging.getLogger(__name__)


def restore_inputs(root: Path, stage: str) -> list[str]:
    """Return the stage's damaged inputs, after restoring them; raises TamperedError when they are lost."""
    found = damaged_inputs(root, stage)
    for target, files in found.items():
        log.warning("stage %s: %s damaged; %s is restored", stage, ", ".join(files), target)
        restore(root, target)
    return list(found)


def drop_damaged(root: Path, stage: str) -> list[str]:
    """Return the stage's outputs whose bytes differ from dvc.lock, after removing them and their cache objects.

    DVC does not reread a file that it has just checked out; this function does.
    """
    bad = []
    for name, digest in read_outputs(root, stage).items():
        path = root / name
        if path.exists() and dvc_digest(path) != digest:
            bad.append(name)
            _drop(root, path, digest)
    return bad


def restore(root: Path, target: str) -> None:
    """Restore an output (such as data/snapshot) of dvc.lock from the cache, else from the remote.

    Raises TamperedError naming the files when neither holds the right bytes.
    """
    digest = read_digest(root, target)
    path = root / target
    if path.exists() and dvc_digest(path) == digest:
        return
    if path.exists():  # DVC keeps a damaged file whose size and time have not changed
        _drop(root, path, digest)
    names: list[str] = []
    for source in ("cache", "remote"):
        with suppress(ReleaseError), open_repository(root) as repo:
            if source == "remote":
                repo.fetch([str(path)])  # DVC takes relative targets from the working directory
            repo.checkout([str(path)], force=True)
        if path.exists() and dvc_digest(path) == digest:
            return
        names = _drop(root, path, digest)
        log.warning("%s: %s of %s is missing or damaged %s", target, digest, source, names)
    raise TamperedError(
        f"{target}: expected the bytes of {digest}; neither the DVC cache nor the remote holds them "
        f"{names or ''}. Run `dvc push` on the machine that has them, or `carousel retrain` to make them again"
    )


def _drop(root: Path, path: Path, digest: str) -> list[str]:
    """Remove the output and its damaged cache objects; return the names of the damaged files."""
    with open_repository(root) as repo:
        store = repo.cache.local

        def is_intact(oid: str) -> bool:
            file = Path(store.oid_to_path(oid))
            if file.exists() and file_md5(file) == oid.removesuffix(".dir"):
                return True
            file.unlink(missing_ok=True)
            return False

        names = []
        if not is_intact(digest):
            names.append(path.name)
        elif digest.endswith(".dir"):
            listing = json.loads(Path(store.oid_to_path(digest)).read_bytes())
            names = [entry["relpath"] for entry in listing if not is_intact(entry["md5"])]
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return names
