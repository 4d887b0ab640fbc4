"""Fixtures of the tests of offline lists: the checkerboard's bundle, and a store with the histories of a few users."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts import Lineage
from components.offline.model import OfflineModel
from components.offline.sources import open_folder
from components.params import Params
from components.release.bundle import open_bundle
from components.release.mlflow_connection import ENVIRONMENT
from components.release.registry import Registry
from components.release.runs import RunFiles
from components.serving.storage.event_store import EventStore, StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.settings import Settings
from components.times import HOUR_US, now_micros
from tests.components.serving.conftest import built, bundle, client, params, postgres, registry, watcher
from tests.migrated_once import migrated_once
from tests.support import ROOT

__all__ = ["built", "bundle", "client", "migrated_once", "params", "postgres", "registry", "watcher"]  # fixtures
METRICS = {f"evaluate/test/{name}/ndcg_at_10": value for name, value in (("ease", 0.25), ("als", 0.2))}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    """Return the store that the service of the fixture `client` opens, too; user u-N saw N products."""
    store = SqliteEventStore(tmp_path / "serving/state.db")
    start = now_micros() - HOUR_US
    for user in range(1, 8):
        events = [StoredEvent(f"u-{user}", start + n, f"sku-{1 + (user + 2 * n) % 18}", "view") for n in range(user)]
        store.put(events).result()
    store.put([StoredEvent("stranger", start, "sold-out-forever", "view")]).result()
    yield store
    store.close()


@pytest.fixture
def model(bundle: Path, params: Params, store: EventStore) -> OfflineModel:
    return open_folder(bundle, params, store)


@pytest.fixture
def served(bundle: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry whose champion is the bundle, as MLflow's users find it: by MLFLOW_TRACKING_URI."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    registry = Registry(Settings(home=home).resolved(tmp_path), params.release)
    registry.prepare()
    (tmp_path / "reports").mkdir()
    lineage = Lineage(
        git_revision="0" * 40, git_dirty=False, data_version="d.dir", params_digest="p",
        bundle_digest=open_bundle(bundle).digest, as_of="2026-03-01T00:00:00+00:00", model="ease",
    )  # fmt: skip
    files = RunFiles(METRICS, tmp_path / "reports", ROOT / "params.yaml", ROOT / "dvc.yaml", "ndcg_at_10")
    registry.move("champion", registry.register(bundle, lineage, files))
    (home / "shops/carousel").mkdir(parents=True)
    (home / "shops/carousel/serving").symlink_to(tmp_path / "serving")  # the store of the fixtures
    monkeypatch.setenv("CAROUSEL_HOME", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.settings.tracking_uri)
    return registry
