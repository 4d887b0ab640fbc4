"""GET /applications."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.applications.publish import publish
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from tests.components.applications.test_publish import make


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)


def test_published_applications_are_listed(client: TestClient, watcher: ModelWatcher, tmp_path: Path) -> None:
    assert client.get("/applications").json() == {"applications": []}
    make(tmp_path / "checkout", "sku-1,4")
    publish(tmp_path / "checkout", "inventory", watcher.folder.parent)
    (record,) = client.get("/applications").json()["applications"]
    assert (record["application"], record["ships"]) == ("inventory", "model")
