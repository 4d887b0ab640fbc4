"""GET /card."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.applications.publish import publish
from components.release.card import Card
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from tests.components.applications.test_publish import make


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)


def test_the_card_of_the_champion(client: TestClient, watcher: ModelWatcher) -> None:
    champion = watcher.current
    assert champion is not None
    assert client.get("/card").status_code == 404  # as of a bundle before version 0.5
    text = Card("Carousel ease", "A model.", [("Limits", "- few users")], metrics={"ndcg_at_10": 0.5}).to_text()
    (champion.bundle.folder / "README.md").write_text(text, encoding="utf-8")
    answer = client.get("/card").json()
    assert answer["metadata"]["license"] == "apache-2.0"
    assert answer["markdown"].startswith("# Carousel ease")
    plain = client.get("/card", headers={"Accept": "text/markdown"})
    assert (plain.headers["content-type"], plain.text) == ("text/markdown; charset=utf-8", text)


def test_the_card_of_an_application(client: TestClient, watcher: ModelWatcher, tmp_path: Path) -> None:
    assert client.get("/card", params={"application": "inventory"}).status_code == 404
    assert client.get("/card", params={"application": "nowhere"}).status_code == 404
    make(tmp_path / "checkout", "sku-1,4")
    publish(tmp_path / "checkout", "inventory", watcher.folder.parent)
    assert "# Carousel inventory" in client.get("/card", params={"application": "inventory"}).json()["markdown"]
