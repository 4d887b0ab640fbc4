"""Where offline lists come from: bundles from the registry or a folder, histories from the shop's event store."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime
from pathlib import Path

import yaml

from components.data.snapshot import read_snapshot_info
from components.errors import BusyError, ContractError, ReleaseError
from components.io import sha256_file
from components.offline.model import OfflineModel
from components.params import Params
from components.release.lock import exclusive_lock
from components.release.registry import Registry
from components.serving.models.watcher import validate_bundle
from components.serving.storage.event_store import EventStore
from components.serving.storage.open_event_store import prepare_event_store
from components.settings import Settings

log = logging.getLogger(__name__)
BUNDLES_ON_DISK = 3  # fetched ones of a shop
LOCK_S = 120.0  # longest wait while another process fetches


def open_version(
    registry: Registry, params: Params, number: int | None = None, store: EventStore | None = None
) -> OfflineModel:
    """Return the model of a version, None: of the champion, fetched, verified and validated as the service does.

    Raises ReleaseError where there is none, TamperedError or ContractError for a bundle that may not serve.
    """
    version = registry.alias("champion") if number is None else registry.version(number)
    if version is None:
        raise ReleaseError(f"{registry.name}: no champion yet; run `carousel retrain --bootstrap`, or name a version")
    digest = version.lineage.bundle_digest
    folder = registry.settings.shop(registry.name) / "offline" / digest
    with exclusive_lock(folder.parent / "fetch.lock", "fetching a bundle", LOCK_S):
        registry.fetch(version.number, folder)
        folder.touch()
        bundles = sorted((p for p in folder.parent.iterdir() if p.is_dir()), key=lambda p: -p.stat().st_mtime)
        for old in bundles[BUNDLES_ON_DISK:]:
            shutil.rmtree(old, ignore_errors=True)
    return OfflineModel(validate_bundle(folder, digest), params, store, version.number)


def open_folder(folder: Path, params: Params, store: EventStore | None = None) -> OfflineModel:
    """Return the model of a bundle folder, without the registry; every file is checked against its manifest.

    Raises ReleaseError where the folder is no bundle, TamperedError or ContractError for one that may not serve.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise ReleaseError(f"{folder}: expected a bundle, found no manifest.json; a run writes one into bundle/")
    return OfflineModel(validate_bundle(folder, sha256_file(manifest)), params, store)


def check_one(version: int | None, folder: str | Path | None) -> None:
    """Raise ContractError where both a version and a bundle folder are named."""
    if version is not None and folder is not None:
        raise ContractError("expected a version or a bundle folder, got both; leave one out")


def open_store(settings: Settings, params: Params, root: Path) -> EventStore:
    """Return the event store of the shop's service, created where the shop runs none, with the newest snapshot in it.

    settings: resolved; root: the checkout. While a run writes a snapshot, none is imported.
    """
    try:
        with exclusive_lock(settings.home / "retrain.lock", "reading the snapshot"):
            return prepare_event_store(settings, params, find_snapshot(root, settings.home, params.release.name))
    except BusyError as busy:
        log.info("%s; the histories are those of the event store without its snapshot", busy)
        return prepare_event_store(settings, params, None)


def find_snapshot(root: Path, home: Path, shop: str) -> Path | None:
    """Return the newest snapshot of the shop, in the checkout or in the workspace of a deployed run."""
    found = [
        (datetime.fromisoformat(read_snapshot_info(folder / "data/snapshot").as_of), folder / "data/snapshot")
        for folder in (root, *sorted((home / "workspaces").glob("run-*")))
        if (folder / "data/snapshot/snapshot.json").is_file() and _shop_of(folder) == shop
    ]
    return max(found)[1] if found else None


def _shop_of(folder: Path) -> str | None:
    """Return the shop of the last run in this checkout or workspace."""
    file = folder / "run/params.yaml"
    return str(yaml.safe_load(file.read_bytes())["release"]["name"]) if file.is_file() else None
