"""Well-known exports are recognised by their columns; a shop with one such file among others is not."""

from pathlib import Path

from components.applications.advice.exports import recognise
from tests.components.applications.advice import shops
from tests.support import ROOT


def test_recbole_files_are_recognised_and_their_paths_are_filled_in(tmp_path: Path) -> None:
    found = recognise(ROOT, tmp_path, [shops.recbole(tmp_path / "shop")])
    assert found is not None
    assert found.name == "recbole"
    assert "path: shop/small.item" in found.overlay
    assert "path: shop/small.inter" in found.overlay


def test_files_of_another_kind_are_no_export(tmp_path: Path) -> None:
    assert recognise(ROOT, tmp_path, [shops.grocer(tmp_path / "a")]) is None
    assert recognise(ROOT, tmp_path, [tmp_path / "nothing"]) is None


def test_most_files_must_be_of_the_export(tmp_path: Path) -> None:
    folder = shops.recbole(tmp_path / "shop")
    for n in range(5):
        shops.write(folder / f"other{n}.csv", f"a{n},b", ["1,2"])
    assert recognise(ROOT, tmp_path, [folder]) is None
