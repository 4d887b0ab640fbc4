"""`carousel init` and `carousel advise`."""

from pathlib import Path

import pytest
import yaml

from flows import cli
from tests.components.applications.advice import shops
from tests.flows.command import one_object


def test_init_writes_an_overlay_that_doctor_accepts(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = shops.european(tmp_path / "shop"), tmp_path / "my.yaml"
    assert cli.run(["init", str(folder), "--yes", "--out", str(out), "--name", "cups", "--json"]) == 0
    found = one_object(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["export"] is None
    text = out.read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    assert tree["release"]["name"] == "cups"
    assert tree["recommend"]["exclude_seen"] is False
    assert tree["data"]["as_of"] == "2025-05-04"
    assert tree["split"]["target_events"] == ["purchase"]
    assert "a negative Qty is a return (5.0% of the rows)" in text
    assert cli.run(["init", str(folder), "--yes", "--out", str(out)]) == 1
    assert "exists and is kept" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == text


def test_init_refuses_to_guess(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{n % 40},{n % 7},{n % 9 + 1:02d}/{n % 5 + 1:02d}/2025" for n in range(100)]
    shops.write(tmp_path / "orders.csv", "customer_id,product_id,date", rows)
    assert cli.run(["init", str(tmp_path / "orders.csv"), "--yes", "--out", str(tmp_path / "x.yaml")]) == 1
    said = capsys.readouterr().err
    assert '--answer "orders.csv.date=dmy"' in said
    assert '--answer "orders.csv.date=mdy"' in said
    assert not (tmp_path / "x.yaml").exists()


def test_init_without_a_terminal_wants_yes(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", "params.yaml"]) == 1
    assert "add --yes" in capsys.readouterr().err


def test_advise_measures_the_shop_and_writes_an_overlay(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All users of the small shop buy again what they had: seen products are to be listed."""
    shop, out = tmp_path / "my.yaml", tmp_path / "advice.yaml"
    assert cli.run(["init", str(shops.european(tmp_path / "shop")), "--yes", "--out", str(shop)]) == 0
    capsys.readouterr()
    assert cli.run(["advise", "--params", str(shop), "--out", str(out), "--json"]) == 0
    found = one_object(capsys.readouterr().out)
    assert found["facts"]["products"] == 30
    assert found["probe"]["low"] <= found["probe"]["gain"] <= found["probe"]["high"]
    assert found["minutes"] > 0
    advised = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert advised == found["overlay"]
    assert advised["recommend"]["exclude_seen"] is False
    assert cli.run(["params", "--params", str(shop), "--params", str(out)]) == 0
