"""Objects of DVC's cache and of a local remote that nothing needs any more.

Needed are the outputs of every dvc.lock that is left (checkout, workspaces) and the snapshots of versions that stay:
`carousel reproduce` computes everything else again.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from pathlib import Path

import yaml

from components.errors import ReleaseError
from components.release.digests import file_md5
from components.release.dvc_lock import read_outputs
from components.release.records import Cleaned
from components.release.versioning import locked_stores

log = logging.getLogger(__name__)


def clean_stores(
    root: Path, workspaces: Iterable[Path], snapshots: Set[str], within: Iterable[Path], dry_run: bool
) -> list[Cleaned]:
    """Remove unneeded objects and run-cache entries of the checkout's cache and local remote; return what was removed.

    workspaces: clones that use the cache. snapshots: DVC digests of data that stay. within: folders that belong to this
    installation; a store outside of them may serve other projects and is left alone.
    """
    with locked_stores(root) as (cache, remote):
        stores = [cache, *([remote] if remote else [])]
        outputs = set(snapshots)
        for folder in (root, *workspaces):
            with suppress(ReleaseError):  # no stage has run there, or its lock is damaged: no run could use it
                outputs |= set(read_outputs(folder).values())
        in_cache, in_remote = (_expand(needed, stores) for needed in (outputs, set(snapshots)))
        found = [_clean("DVC cache", cache, in_cache, within, dry_run)]
        return found + ([_clean("DVC remote", remote, in_remote, within, dry_run)] if remote else [])


def _clean(what: str, store: Path, needed: Set[str], within: Iterable[Path], dry_run: bool) -> Cleaned:
    if not any(store.resolve().is_relative_to(folder.resolve()) for folder in within):
        note = f"{store} is outside the checkout and CAROUSEL_HOME: other projects may use it; not cleaned"
        return Cleaned(what=what, count=0, size=0, note=note)
    runs = list(_unneeded_runs(store, needed))
    objects = [(file, size) for file, size in _objects(store) if _digest(file) not in needed]
    unneeded = [*runs, *sorted(objects, key=lambda row: not row[0].name.endswith(".dir"))]  # references first
    if not dry_run:
        for file, _ in unneeded:
            file.unlink(missing_ok=True)
            with suppress(OSError):  # other files are in it
                file.parent.rmdir()
    return Cleaned(what=what, count=len(unneeded), size=sum(size for _, size in unneeded))


def _expand(digests: Set[str], stores: Iterable[Path]) -> set[str]:
    """Return the digests, and those of the files that folders among them hold."""
    needed = set(digests)
    for digest in digests:
        if digest.endswith(".dir"):
            needed |= _listed(digest, stores)
    return needed


def _listed(digest: str, stores: Iterable[Path]) -> set[str]:
    """Return the digests of a folder's files, from the first store whose listing is intact."""
    for store in stores:
        file = store / "files/md5" / digest[:2] / digest[2:]
        if file.is_file() and file_md5(file) == digest.removesuffix(".dir"):
            return {str(entry["md5"]) for entry in json.loads(file.read_bytes())}
    log.warning("no store holds the listing of %s: its files cannot be restored", digest)
    return set()


def _objects(store: Path) -> Iterator[tuple[Path, int]]:
    for file in (store / "files/md5").glob("??/*"):
        with suppress(FileNotFoundError):
            yield file, file.stat().st_size


def _unneeded_runs(store: Path, needed: Set[str]) -> Iterator[tuple[Path, int]]:
    """Yield the entries of the run cache, which restores outputs that were computed before, whose outputs are gone."""
    for file in (store / "runs").glob("??/*/*"):
        try:
            outputs = yaml.safe_load(file.read_text(encoding="utf-8"))["outs"]
            is_needed = all(str(out["md5"]) in needed for out in outputs if out.get("cache", True))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
            is_needed = False  # damaged: DVC ignores it
        if not is_needed:
            yield file, file.stat().st_size


def _digest(file: Path) -> str:
    return file.parent.name + file.name
