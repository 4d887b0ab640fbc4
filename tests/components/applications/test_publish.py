"""What applications publish: the whole folder or nothing, and the one before it for who still reads."""

from pathlib import Path

import pytest

from components.applications.publish import find_published, publish
from components.applications.record import ApplicationRecord, Ships, write_application
from components.errors import ContractError, TamperedError


def make(root: Path, content: str, ships: Ships = "model") -> Path:
    folder = root / "applications/inventory"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orders.csv").write_text(content)
    record = ApplicationRecord(
        application="inventory", as_of="2026-03-01", simulated=True, ships=ships, reasons=[], metrics={}
    )
    write_application(root, record)
    return folder


def test_the_published_folder_is_a_copy(tmp_path: Path) -> None:
    folder = make(tmp_path, "sku-1,4")
    publish(tmp_path, "inventory", tmp_path / "shop")
    (folder / "orders.csv").write_text("changed since")
    found = find_published(tmp_path / "shop", "inventory")
    assert found is not None
    assert (found / "orders.csv").read_text() == "sku-1,4"


def test_what_does_not_ship_leaves_what_is_published(tmp_path: Path) -> None:
    make(tmp_path, "first")
    publish(tmp_path, "inventory", tmp_path / "shop")
    before = find_published(tmp_path / "shop", "inventory")
    make(tmp_path, "second", "nothing")
    assert publish(tmp_path, "inventory", tmp_path / "shop").ships == "nothing"
    assert find_published(tmp_path / "shop", "inventory") == before


def test_the_folder_before_the_current_one_stays(tmp_path: Path) -> None:
    shop, seen = tmp_path / "shop", []
    for content in ("first", "second", "third"):
        make(tmp_path, content)
        publish(tmp_path, "inventory", shop)
        seen.append(find_published(shop, "inventory"))
    assert [folder is not None and folder.is_dir() for folder in seen] == [False, True, True]


def test_the_same_content_is_the_same_folder(tmp_path: Path) -> None:
    for _ in range(2):
        make(tmp_path, "first")
        publish(tmp_path, "inventory", tmp_path / "shop")
    assert len([path for path in (tmp_path / "shop/applications/inventory").iterdir() if path.is_dir()]) == 1


def test_changed_files_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "first")
    publish(tmp_path, "inventory", tmp_path / "shop")
    found = find_published(tmp_path / "shop", "inventory")
    assert found is not None
    (found / "orders.csv").write_text("other")
    with pytest.raises(TamperedError, match="run the application again"):
        find_published(tmp_path / "shop", "inventory")


def test_a_stage_that_has_not_run_cannot_be_published(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"no record\.json; run the stage `inventory`"):
        publish(tmp_path, "inventory", tmp_path / "shop")
    assert find_published(tmp_path / "shop", "inventory") is None
