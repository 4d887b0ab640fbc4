"""GET /applications."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.applications.publish import publish
from components.applications.reasons import give_reason
from components.applications.record import APPLICATIONS, write_application
from components.params import Params
from components.serving.http.application_routes import read_application
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from tests.components.applications.test_publish import make
from tests.components.serving.support import serving_client


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)


def test_published_applications_are_listed(client: TestClient, watcher: ModelWatcher, tmp_path: Path) -> None:
    off = dict.fromkeys(APPLICATIONS, "disabled")
    assert client.get("/applications").json() == {"applications": [], "states": off, "unshipped": {}}
    make(tmp_path / "checkout", "sku-1,4")
    publish(tmp_path / "checkout", "inventory", watcher.folder.parent)
    found = client.get("/applications").json()
    (record,) = found["applications"]
    assert (record["application"], record["ships"]) == ("inventory", "model")
    assert (found["states"], found["unshipped"]) == (off | {"inventory": "published"}, {})
    too_short = give_reason("inventory_short", expected=16, period="week", n=9)
    nothing = read_application(tmp_path / "checkout/applications/inventory").model_copy(
        update={"ships": "nothing", "reasons": [too_short]}
    )
    write_application(tmp_path / "checkout", nothing)
    publish(tmp_path / "checkout", "inventory", watcher.folder.parent)
    found = client.get("/applications").json()
    assert (found["states"]["inventory"], found["unshipped"]) == ("published", {"inventory": [too_short.model_dump()]})


def test_an_enabled_application_that_has_published_nothing_is_told_apart(watcher: ModelWatcher, params: Params) -> None:
    enabled = params.marketing.model_copy(update={"enabled": True})
    with serving_client(watcher, params.model_copy(update={"marketing": enabled})) as client:
        states = client.get("/applications").json()["states"]
    assert (states["marketing"], states["ads"]) == ("enabled", "disabled")
