"""Fixtures of the tests of offline lists: the checkerboard's bundle, and a store with the histories of a few users."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.offline.model import OfflineModel
from components.offline.sources import open_folder
from components.params import Params
from components.serving.storage.event_store import EventStore, StoredEvent
from components.serving.storage.event_store_sqlite import SqliteEventStore
from components.times import HOUR_US, now_micros
from tests.components.serving.conftest import built, bundle, client, params, postgres, registry, watcher

__all__ = ["built", "bundle", "client", "params", "postgres", "registry", "watcher"]  # fixtures


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
