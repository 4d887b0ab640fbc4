"""From raw files in the layouts of the example shops to an overlay that doctor accepts, without an answer by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.applications.advice.first_overlay import FirstOverlay, Wish, make_overlay, name_of
from components.applications.advice.questions import Answers
from components.errors import ContractError
from components.settings import Settings
from tests.components.applications.advice import shops
from tests.support import ROOT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def overlay_of(folder: Path, root: Path) -> tuple[FirstOverlay, dict[str, Any]]:
    wish = Wish([folder], root / "my.yaml", "my-shop", "carousel init")
    made = make_overlay(wish, Answers(), ROOT, Settings(home=root / "home", data_root=root), NOW)
    return made, yaml.safe_load(made.text)


@pytest.mark.parametrize("layout", shops.RAW_SHOPS)
def test_raw_files_give_an_overlay_that_doctor_accepts(tmp_path: Path, layout: str) -> None:
    made, tree = overlay_of(shops.RAW_SHOPS[layout](tmp_path / layout), tmp_path)
    assert [f for f in made.findings if not f.ok] == []
    assert made.facts.n_users == 40
    assert made.facts.n_products == 30
    assert tree["split"]["target_events"] == ["purchase"]
    assert tree["data"]["as_of"] == "2025-05-04"
    assert tree["release"]["name"] == "my-shop"
    assert (made.export == "recbole") == (layout == "recbole")


def test_what_the_gate_would_find_odd_is_said_in_the_overlay(tmp_path: Path) -> None:
    folder = shops.ratings_by_day(tmp_path / "shop")
    path = folder / "interactions.csv"
    rows = path.read_text().splitlines()
    newest = max(int(row.rpartition(",")[2]) for row in rows[1:])
    flood = [f"{n % 40},{n % 30},{newest - n % 5 * 86400 - n % 997}" for n in range(3000)]
    path.write_text("\n".join([*rows, *flood]) + "\n")
    made, _ = overlay_of(folder, tmp_path)
    assert all(f.ok for f in made.findings)
    assert "# The gate keeps a model back for this" in made.text
    assert "#   - data: volume: " in made.text


def test_sound_data_have_no_such_remark(tmp_path: Path) -> None:
    made, _ = overlay_of(shops.month_files(tmp_path / "shop"), tmp_path)
    assert "keeps a model back" not in made.text


def test_products_that_only_events_name_are_added(tmp_path: Path) -> None:
    folder = shops.ratings_by_day(tmp_path / "shop")
    items = (folder / "items.csv").read_text().splitlines()
    (folder / "items.csv").write_text("\n".join(items[:22]) + "\n")  # 21 of 30 products
    made, tree = overlay_of(folder, tmp_path)
    assert len(tree["data"]["sources"]["products"]) == 2
    assert made.facts.n_products == 30


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"gone\.csv: expected a file or a folder, found none"):
        overlay_of(tmp_path / "gone.csv", tmp_path)


def test_the_shop_is_named_by_its_folder_or_its_only_file() -> None:
    assert name_of([Path("/x/My Shop.csv")]) == "my-shop"
    assert name_of([Path("/x/Tea/a.csv"), Path("/x/Tea/b.csv")]) == "tea"
    assert name_of([Path("/x/___.csv")]) == "my-shop"
