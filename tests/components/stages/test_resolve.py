"""run/params.yaml holds params.yaml, overlays and overrides; with equal input no file is written again."""

import json
from pathlib import Path

import pytest
import yaml

from components.errors import ContractError, ParamsError
from components.stages import resolve as stage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for name in ("CAROUSEL_PARAMS", "CAROUSEL_OVERRIDES", "CAROUSEL_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_overlays_and_overrides_come_from_the_environment(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "shop.yaml").write_text("trainer: {max_epochs: 3}\n")
    monkeypatch.setenv("CAROUSEL_PARAMS", "shop.yaml")
    monkeypatch.setenv("CAROUSEL_OVERRIDES", "seed=7\ntrainer.patience=1")
    stage.main()
    resolved = yaml.safe_load((checkout / "run/params.yaml").read_text())
    assert (resolved["seed"], resolved["trainer"]["max_epochs"], resolved["trainer"]["patience"]) == (7, 3, 1)
    assert (checkout / "champion/champion.json").read_text() == "null\n"
    assert json.loads((checkout / "run/sources.json").read_text()) == {"simulated": True}


def test_unchanged_files_are_not_written_again(checkout: Path) -> None:
    stage.main()
    before = {p: p.stat().st_mtime_ns for p in checkout.rglob("*") if p.is_file()}
    stage.main()
    assert {p: p.stat().st_mtime_ns for p in checkout.rglob("*") if p.is_file()} == before


def test_a_changed_source_changes_its_fingerprint(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    (checkout / "e.csv").write_text("user_id\n")
    own = ["data.simulated=false", "data.sources={products: [{path: p.csv}], events: [{path: e.csv}]}"]
    stage.resolve(checkout, [], own)
    before = (checkout / "run/sources.json").read_text()
    (checkout / "p.csv").write_text("item_id\na\nb\n")
    stage.resolve(checkout, [], own)
    assert (checkout / "run/sources.json").read_text() != before


def test_errors_name_the_parameter_or_file(checkout: Path) -> None:
    with pytest.raises(ParamsError, match=r"unknown parameter trainer\.epoch"):
        stage.resolve(checkout, [], ["trainer.epoch=3"])
    missing = "data.sources={products: [{path: nowhere.csv}], events: [{path: nowhere.csv}]}"
    with pytest.raises(ContractError, match=r"nowhere\.csv.*found none"):
        stage.resolve(checkout, [], ["data.simulated=false", missing])


def own_files(checkout: Path, name: str) -> dict[str, object]:
    return json.loads((checkout / f"run/applications/{name}.json").read_text())  # type: ignore[no-any-return]


def test_campaigns_have_a_fingerprint_of_their_own(checkout: Path) -> None:
    stage.resolve(checkout, [], ["marketing.enabled=true"])
    assert own_files(checkout, "marketing") == {}
    (checkout / "c.csv").write_text("user_id,campaign,timestamp,responded\n")
    lines = ["marketing.enabled=true", "marketing.campaigns=[{path: c.csv}]"]
    stage.resolve(checkout, [], lines)
    assert set(own_files(checkout, "marketing")) == {"campaigns: c.csv"}
    stage.resolve(checkout, [], lines[1:])  # disabled
    assert own_files(checkout, "marketing") == {}


def test_a_missing_file_of_an_application_does_not_stop_the_shops_model(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    own = ["data.simulated=false", "data.sources={products: [{path: p.csv}], events: [{path: p.csv}]}"]
    own += ["ads.enabled=true", "ads.source=ads.csv", "inventory.enabled=true", "inventory.stock_file=stock.csv"]
    own += ["marketing.enabled=true", "marketing.campaigns=[{path: nowhere.csv}]"]
    stage.resolve(checkout, [], own)
    assert own_files(checkout, "ads") == {"ads.csv": "not found"}
    assert own_files(checkout, "inventory") == {"stock.csv": "not found"}
    assert "nowhere.csv" in str(own_files(checkout, "marketing")["campaigns"])
    for name in ("ads.csv", "stock.csv"):
        (checkout / name).write_text("item_id\n")
    stage.resolve(checkout, [], own)
    before = own_files(checkout, "inventory")
    (checkout / "stock.csv").write_text("item_id\na\n")
    stage.resolve(checkout, [], own)
    assert own_files(checkout, "ads") != {"ads.csv": "not found"}
    assert own_files(checkout, "inventory") != before
