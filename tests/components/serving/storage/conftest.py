"""Fixtures of the tests of both event stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serving.storage.event_store import EventStore
from components.serving.storage.open_event_store import open_event_store

from .support import Open


@pytest.fixture(params=["file", "database"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Return the address of the store; None means a file."""
    return request.getfixturevalue("postgres").create_database() if request.param == "database" else None


@pytest.fixture
def opened(url: str | None, tmp_path: Path) -> Iterator[Open]:
    """Open the store, each time as another process would."""
    stores: list[EventStore] = []

    def open_it() -> EventStore:
        stores.append(open_event_store(url, tmp_path, "shop"))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()
