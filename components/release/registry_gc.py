"""Removal of versions, runs and objects from the registry: first references, then bytes.

Killed at any point, the next call goes on: a run is marked before its version goes, its files go before it is hidden
(MLflow: deleted), and rows of hidden runs go last.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.faults import crash_point
from components.release.lock import exclusive_lock
from components.release.manifest import MANIFEST, read_manifest
from components.release.object_store import FOLDER, MIN_BYTES
from components.release.processes import run_guarded
from components.release.records import Cleaned
from components.release.registry import Registry
from components.release.retention import PAGE, Retention, list_versions, plan_retention
from components.release.runs import LOCK_S
from components.release.warm import run_warm
from components.settings import Settings

log = logging.getLogger(__name__)
MARK = "removed"  # tag of runs that go
PURGE_S = 600  # longest call of `mlflow gc`
PURGED_AT_ONCE = 100  # runs named in one command


def clean_registry(
    registry: Registry, settings: Settings, keep_versions: int, keep_days: float, dry_run: bool
) -> tuple[Retention, list[Cleaned]]:
    """Remove versions that do not stay, runs without a version older than keep_days, and objects that none needs.

    Raises ReleaseError before anything is removed when the registry cannot be read, or is not the ledger's.
    """
    if registry.connection.is_empty():
        plan_retention(registry, settings, keep_versions)
        return Retention(keep={}, remove=[]), []
    with _locks(settings):
        retention = plan_retention(registry, settings, keep_versions)
        with registry.connection.translate_errors():
            found = [_clean_versions(registry, retention, dry_run)]
            found += [_clean_runs(registry, datetime.now(UTC) - timedelta(days=keep_days), dry_run)]
            found += [_clean_objects(registry, retention, dry_run)]
    if not dry_run and settings.tracking_uri.startswith("sqlite:///"):
        _purge(registry, settings.tracking_uri)
    return retention, found


@contextmanager
def _locks(settings: Settings) -> Iterator[None]:
    """Keep promotions and registrations of this machine waiting."""
    with (
        exclusive_lock(settings.home / "promotion.lock", "a clean-up", LOCK_S),
        exclusive_lock(settings.home / "registry.lock", "a clean-up", LOCK_S),
    ):
        yield


def _clean_versions(registry: Registry, retention: Retention, dry_run: bool) -> Cleaned:
    rows = {row.number: row for row in list_versions(registry, registry.name)}
    client, size = registry.connection.client, 0
    for number in retention.remove:
        run = client.get_run(rows[number].run_id)
        children = registry.runs.children(run.info.run_id)
        size += sum(_size(registry, one) for one in (run, *children))
        if not dry_run:
            client.set_tag(run.info.run_id, MARK, f"version {number}")
            crash_point("gc:marked")
            client.delete_model_version(registry.name, str(number))
            crash_point("gc:version")
            for child in children:
                client.set_tag(child.info.run_id, MARK, f"version {number}")
                _remove_run(registry, child)
            _remove_run(registry, run)
    note = f"versions {', '.join(map(str, retention.remove))}" if retention.remove else ""
    return Cleaned(what="model versions", count=len(retention.remove), size=size, note=note)


def _clean_runs(registry: Registry, before: datetime, dry_run: bool) -> Cleaned:
    """Remove marked runs that a killed call left, and old runs that belong to no version: searches, broken records."""
    used = {row.run_id for row in list_versions(registry, None)}
    parents = [r for r in _runs(registry, f"tags.release = '{registry.name}'") if r.info.run_id not in used]
    old = [run for run in parents if MARK in run.data.tags or _ended(run) < before]
    children = [child for run in old for child in registry.runs.children(run.info.run_id)]
    size = sum(_size(registry, run) for run in [*children, *old])
    for run in () if dry_run else (*children, *old):
        registry.connection.client.set_tag(run.info.run_id, MARK, "without a version")
        _remove_run(registry, run)
    return Cleaned(what="runs without a version", count=len(old) + len(children), size=size)


def _remove_run(registry: Registry, run: Any) -> None:
    registry.connection.artifact_repository(run.info.artifact_uri).delete_artifacts()
    crash_point("gc:artifacts")
    registry.connection.client.delete_run(run.info.run_id)
    crash_point("gc:run")


def _clean_objects(registry: Registry, retention: Retention, dry_run: bool) -> Cleaned:
    needed: set[str] = set()
    for row in list_versions(registry, registry.name):
        if row.number in retention.keep and "bundle_digest" in row.tags:
            needed |= _large_files(registry, row.run_id, row.tags["bundle_digest"])
    experiment = registry.runs.experiment_id()
    unneeded = [stored for stored in registry.objects.objects(experiment) if stored.digest not in needed]
    for stored in () if dry_run else unneeded:
        registry.objects.delete(experiment, stored.digest)
        crash_point("gc:object")
    return Cleaned(what="large files of bundles", count=len(unneeded), size=sum(stored.size for stored in unneeded))


def _large_files(registry: Registry, run_id: str, digest: str) -> set[str]:
    with TemporaryDirectory() as folder:
        file = Path(registry.connection.client.download_artifacts(run_id, f"{FOLDER}/{MANIFEST}", folder))
        entries = read_manifest(file.parent, digest).values()
    return {entry["sha256"] for entry in entries if entry["bytes"] >= MIN_BYTES}


def _runs(registry: Registry, wanted: str, view: int = 1) -> Iterator[Any]:
    """Yield runs of the experiment. view: 1 active, 2 hidden (mlflow.entities.ViewType)."""
    token, experiment = None, registry.runs.experiment_id()
    while token != "":
        page = registry.connection.client.search_runs([experiment], wanted, view, PAGE, page_token=token)
        yield from page
        token = page.token or ""


def _ended(run: Any) -> datetime:
    return datetime.fromtimestamp((run.info.end_time or run.info.start_time) / 1000, UTC)


def _size(registry: Registry, run: Any) -> int:
    store = registry.connection.artifact_repository(run.info.artifact_uri)

    def below(path: str | None) -> int:
        return sum(below(file.path) if file.is_dir else int(file.file_size or 0) for file in store.list_artifacts(path))

    return below(None)


def _purge(registry: Registry, uri: str) -> None:
    """Remove the rows of hidden runs from a local database; a server's own `mlflow gc` does this elsewhere."""
    quiet = log.getChild("output")
    quiet.setLevel(logging.WARNING)  # it prints a line for each run
    with registry.connection.translate_errors():
        hidden = [run.info.run_id for run in _runs(registry, f"tags.{MARK} LIKE '%'", view=2)]
    for start in range(0, len(hidden), PURGED_AT_ONCE):
        names = ",".join(hidden[start : start + PURGED_AT_ONCE])
        command = ["-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri, "--run-ids", names]
        how = Path.cwd(), dict(os.environ), PURGE_S, quiet
        done = run_warm(command, *how) or run_guarded([sys.executable, *command], *how)
        if done.code:
            log.warning("`mlflow gc` failed (%s); the next clean-up tries again", (done.lines or ["no message"])[-1])
