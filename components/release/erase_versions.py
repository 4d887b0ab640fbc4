"""Removal of forgotten users from DVC's cache, from a local remote, and from workspaces.

A snapshot that holds such a user is written again without the user: its new digest stands beside the old one in
rewritten.json below home, by which the lineage of versions still leads to their data. Everything that was computed
from the old one is removed: its input has changed, so the next run computes it again anyway.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from pydantic import Field

from components import io
from components.compat import translate
from components.contracts import Record
from components.data.forgotten import erase_rows, erase_snapshot_counts
from components.data.snapshot import SnapshotInfo
from components.release.digests import dvc_digest, file_md5
from components.release.dvc_lock import LOCK
from components.release.versioning import SNAPSHOT, locked_stores
from components.tombstones import Forgotten

log = logging.getLogger(__name__)
INFO = "snapshot.json"
FILE = "rewritten.json"  # in the home folder


class Rewritten(Record):
    """rewritten.json: DVC's digest of a snapshot -> that of the same snapshot without users who were forgotten."""

    snapshots: dict[str, str] = Field(default={})


@dataclass
class Erased:
    """What was changed: rows removed by table, snapshots written again, objects and outputs removed."""

    rows: Counter[str] = field(default_factory=Counter)  # of the workspaces
    snapshots: dict[str, str] = field(default_factory=dict)  # old digest -> new
    n_objects: int = 0
    n_outputs: int = 0


def current_digest(home: Path, snapshot: str) -> str:
    """Return DVC's digest of a snapshot as it is now, after all deletions."""
    known = _read_rewritten(home)
    while snapshot in known:
        snapshot = known[snapshot]
    return snapshot


def _read_rewritten(home: Path) -> dict[str, str]:
    found = io.find_record(home / FILE, Rewritten, "rewritten_snapshots", "restore it from a backup")
    return found.snapshots if found else {}


def erase_versions(
    root: Path, home: Path, checkouts: Iterable[Path], forgotten: Forgotten, others: Set[str] = frozenset()
) -> Erased:
    """Remove forgotten users from the stores of the checkout `root` and from checkouts; return what changed.

    checkouts: those of the shop that use the stores. others: DVC digests of snapshots of other shops. The caller holds
    the lock of runs. Killed, the next call goes on.
    """
    erased = Erased()
    with locked_stores(root) as (cache, remote):
        stores = [cache, *([remote] if remote else [])]
        with TemporaryDirectory(dir=home, prefix="forget-") as folder:
            for store in stores:
                erased.snapshots |= _Store(store, Path(folder), forgotten).rewrite_snapshots(others)
        known = _read_rewritten(home) | erased.snapshots
        if erased.snapshots:
            io.write_record(home / FILE, Rewritten(snapshots=known))
        folders = [path for path in checkouts if (path / ".dvc").is_dir()]
        for checkout in folders:
            erased.rows += erase_snapshot(checkout / SNAPSHOT, forgotten)
        stale = find_stale(stores, folders, set(known))
        for checkout in folders:
            erased.n_outputs += _clean_workspace(checkout, known, stale)
        for store in stores:
            erased.n_objects += _remove(store, set(known) | stale)
    return erased


def holds_snapshot(root: Path, home: Path, digest: str) -> bool:
    """Return whether the stores of the checkout hold the snapshot with this DVC digest, as it is now."""
    with locked_stores(root) as (cache, remote):
        stores = [cache, *([remote] if remote else [])]
        return any(current_digest(home, digest) in set(_listings(store)) for store in stores)


def erase_snapshot(snapshot: Path, forgotten: Forgotten) -> Counter[str]:
    """Remove the users from a snapshot's folder; return the removed rows by table."""
    gone: Counter[str] = Counter()
    for file in sorted(snapshot.rglob("*.parquet")):
        gone[file.relative_to(snapshot).parts[0]] += erase_rows(file, forgotten)
    if gone.total():
        _count_again(snapshot / INFO, gone)
    return +gone


def _count_again(info: Path, gone: Mapping[str, int]) -> None:
    found = SnapshotInfo.model_validate(translate("snapshot", json.loads(info.read_bytes())))
    io.write_record(info, erase_snapshot_counts(found, gone))


class _Store:
    """A folder of DVC objects: files/md5/AB/CDEF..., and lists of folders that end in .dir."""

    def __init__(self, folder: Path, work: Path, forgotten: Forgotten) -> None:
        self.folder, self.work, self.forgotten = folder, work, forgotten
        self.known: dict[str, tuple[str, int]] = {}  # object -> the one without the users, and the rows removed

    def rewrite_snapshots(self, others: Set[str]) -> dict[str, str]:
        """Write each snapshot that holds a user again, but `others`; return old digest -> new."""
        found = {}
        for listing in sorted(set(_listings(self.folder)) - others):
            entries = read_listing(self.folder, listing)
            if any(entry["relpath"] == INFO for entry in entries):
                changed = self._rewrite(entries)
                if changed:
                    found[listing] = changed
        return found

    def _rewrite(self, entries: list[dict[str, str]]) -> str | None:
        gone: Counter[str] = Counter()
        new = []
        for entry in entries:
            digest, n = entry["md5"], 0
            if entry["relpath"].endswith(".parquet"):
                digest, n = self._erase(digest)
                gone[entry["relpath"].split("/")[0]] += n
            new.append({"md5": digest, "relpath": entry["relpath"]})
        if not gone.total():
            return None
        info = self._copy(next(entry["md5"] for entry in entries if entry["relpath"] == INFO))
        _count_again(info, gone)
        by_path = {entry["relpath"]: entry for entry in new}
        by_path[INFO]["md5"] = self._put(info, file_md5(info))
        text = json.dumps(sorted(new, key=lambda entry: entry["relpath"]), sort_keys=True)
        listing = self.work / "listing"
        io.write_text(listing, text)
        return self._put(listing, f"{file_md5(listing)}.dir")

    def _erase(self, digest: str) -> tuple[str, int]:
        if digest not in self.known:
            copy = self._copy(digest)
            n = erase_rows(copy, self.forgotten)
            self.known[digest] = (self._put(copy, file_md5(copy)), n) if n else (digest, 0)
        return self.known[digest]

    def _copy(self, digest: str) -> Path:
        target = self.work / "object"
        target.unlink(missing_ok=True)
        shutil.copyfile(_object(self.folder, digest), target)
        return target

    def _put(self, file: Path, digest: str) -> str:
        target = _object(self.folder, digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with io.atomic_file(target) as temporary:
                shutil.copyfile(file, temporary)
            target.chmod(0o444)  # as DVC protects its objects
        return digest


def find_stale(stores: Iterable[Path], workspaces: Iterable[Path], seeds: set[str]) -> set[str]:
    """Return the digests of everything that was computed from the snapshots `seeds`, directly or not; seeds left out.

    Outputs that a stage wrote beside a snapshot, such as the quarantine, are among them.
    """
    steps = [step for store in stores for file in _runs(store) for step in _steps(_read_yaml(file))]
    for folder in workspaces:
        for stage in _read_yaml(folder / LOCK).get("stages", {}).values():
            steps += _steps(stage)
    stale: set[str] = set()
    while True:
        more = {
            digest
            for needs, makes in steps
            if needs & (seeds | stale) or makes & seeds
            for digest in makes - seeds - stale
        }
        if not more:
            return stale
        stale |= more


def find_objects(store: Path, folders: Iterable[str]) -> set[Path]:
    """Return the objects of these folders' files that no other folder of the store has."""
    mine = set(folders)
    needed = {e["md5"] for listing in _listings(store) if listing not in mine for e in read_listing(store, listing)}
    return {
        _object(store, e["md5"]) for listing in mine for e in read_listing(store, listing) if e["md5"] not in needed
    }


def find_unnamed(store: Path) -> set[Path]:
    """Return the objects that no folder and no step of the store names, such as those of broken runs."""
    named = {entry["md5"] for listing in _listings(store) for entry in read_listing(store, listing)}
    for file in _runs(store):
        for needs, makes in _steps(_read_yaml(file)):
            named |= needs | makes
    return {
        file
        for file in (store / "files/md5").glob("??/*")
        if file.suffix != ".dir" and file.parent.name + file.name not in named
    }


def _clean_workspace(root: Path, snapshots: Mapping[str, str], stale: set[str]) -> int:
    """Remove outputs that were made from a snapshot that has changed; dvc.lock no longer names them."""
    lock = _read_yaml(root / LOCK)
    n, stages = 0, lock.get("stages", {})
    for name, stage in list(stages.items()):
        outs = {str(out["path"]): str(out.get("md5", "")) for out in stage.get("outs", [])}
        gone = [path for path, digest in outs.items() if digest in stale and path != SNAPSHOT]
        for path in gone:
            n += 1
            shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink(missing_ok=True)
        if SNAPSHOT in outs and outs[SNAPSHOT] in snapshots:
            stage["outs"] = [{"path": SNAPSHOT, "hash": "md5", "md5": dvc_digest(root / SNAPSHOT)}]
        elif gone:
            del stages[name]
    if n:
        io.write_text(root / LOCK, yaml.safe_dump(lock, sort_keys=False))
    return n


def _remove(store: Path, gone: set[str]) -> int:
    """Remove these objects, the files that only folders among them hold, and the run-cache entries that name them."""
    if not gone:
        return 0
    needed: set[str] = set()
    for listing in _listings(store):
        if listing not in gone:
            needed |= {entry["md5"] for entry in read_listing(store, listing)}
    inner = {entry["md5"] for listing in gone if listing.endswith(".dir") for entry in read_listing(store, listing)}
    unneeded = [*(inner - needed), *gone]
    entries = [file for file in _runs(store) if any((a | b) & gone for a, b in _steps(_read_yaml(file)))]
    objects = [file for digest in unneeded if (file := _object(store, digest)).exists()]
    for file in [*sorted(objects, key=lambda file: file.name.endswith(".dir")), *entries]:  # what leads to others last
        file.unlink()
        with suppress(OSError):  # other files are in it; DVC does not expect an empty one
            file.parent.rmdir()
    return len(objects)


def read_listing(store: Path, digest: str) -> list[dict[str, str]]:
    """Return md5 and relpath of the files of a folder; none where the list is missing or damaged."""
    try:
        return list(json.loads(_object(store, digest).read_bytes()))
    except (OSError, ValueError):
        return []


def _object(store: Path, digest: str) -> Path:
    return store / "files/md5" / digest[:2] / digest[2:]


def _listings(store: Path) -> list[str]:
    return [file.parent.name + file.name for file in (store / "files/md5").glob("??/*.dir")]


def _runs(store: Path) -> list[Path]:
    return [file for file in (store / "runs").glob("??/*/*") if file.is_file()]


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _steps(stage: Mapping[str, Any]) -> Iterator[tuple[set[str], set[str]]]:
    """Yield the digests that a stage read, and those that it wrote."""
    yield tuple({str(one["md5"]) for one in stage.get(key, []) if "md5" in one} for key in ("deps", "outs"))  # type: ignore[misc]
