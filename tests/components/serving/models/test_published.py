"""The published folder of an application, as the service reads it."""

from pathlib import Path

import pytest

from components.applications.publish import find_published, publish
from components.serving.models import published
from components.serving.models.published import PublishedApplication
from tests.components.applications.test_publish import make


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)


def read(folder: Path) -> str:
    return (folder / "orders.csv").read_text()


def test_a_new_folder_is_loaded_once(tmp_path: Path) -> None:
    loads: list[str] = []

    def load(folder: Path) -> str:
        loads.append(read(folder))
        return loads[-1]

    found = PublishedApplication(tmp_path, "inventory", load)
    assert found() is None
    for content in ("first", "second"):
        make(tmp_path / "checkout", content)
        publish(tmp_path / "checkout", "inventory", tmp_path)
        assert (found(), found()) == (content, content)
    assert loads == ["first", "second"]


def test_a_damaged_folder_leaves_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path / "checkout", "first")
    publish(tmp_path / "checkout", "inventory", tmp_path)
    found = PublishedApplication(tmp_path, "inventory", read)
    assert found() == "first"
    make(tmp_path / "checkout", "second")
    publish(tmp_path / "checkout", "inventory", tmp_path)
    folder = find_published(tmp_path, "inventory")
    assert folder is not None
    (folder / "orders.csv").write_text("damaged")
    assert found() == "first"
    assert "the one before stays" in caplog.text
