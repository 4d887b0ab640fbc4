"""`carousel status` and `carousel doctor`."""

from pathlib import Path

import pytest

from flows import cli
from tests.flows.command import one_object
from tests.support import ROOT

STATUS = ["champion", "since", "data", "verdict", "drift", "history", "monitor", "unlearning", "disagreement"]


def test_status_before_the_first_run(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--json"]) == 0
    content = one_object(capsys.readouterr().out)
    assert content == dict.fromkeys(STATUS)
    assert not (checkout / ".carousel/mlflow.db").exists()


def test_status_of_a_champion(promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--json"]) == 0
    content = one_object(capsys.readouterr().out)
    assert list(content) == STATUS
    assert content["champion"]["version"] == 1
    assert content["since"].startswith("20")
    assert content["data"]["as_of"].startswith("2026-03-01")
    assert content["verdict"]["verdict"] == "promote"
    assert content["drift"]["drifted"] is False
    assert cli.run(["status"]) == 0
    assert "version: 1" in capsys.readouterr().out


def test_privacy_names_each_place_in_full(promoted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["privacy", "--json"]) == 0
    stored = [row for row in one_object(capsys.readouterr().out)["stored"] if row["oldest"]]
    assert stored
    assert cli.run(["privacy"]) == 0
    shown = capsys.readouterr().out
    for row in stored:
        assert f"{row['location']}: " in shown
        assert row["holds"] in shown
        assert row["parameter"] in shown


def test_doctor_gives_advice(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == 0, capsys.readouterr()
    content = one_object(capsys.readouterr().out)
    assert content["ok"] is True
    missing = "data.sources={products: [{path: nowhere.csv}], events: [{path: nowhere.csv}]}"
    assert cli.run(["doctor", "--json", "--set", "data.simulated=false", "--set", missing]) == 1
    bad = [f for f in one_object(capsys.readouterr().out)["findings"] if not f["ok"]]
    assert {f["name"] for f in bad} == {"source products", "source events"}
    assert all(f["advice"] for f in bad)


def test_doctor_examines_the_shop_of_the_environment(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "my.yaml").write_text(
        "data: {simulated: false, sources: {products: [{path: /nowhere/p.csv}], events: [{path: /nowhere/e.csv}]}}\n"
    )
    monkeypatch.setenv("CAROUSEL_PARAMS", "my.yaml")
    assert cli.run(["doctor", "--json"]) == 1
    bad = [f for f in one_object(capsys.readouterr().out)["findings"] if not f["ok"]]
    assert [f["name"] for f in bad] == ["source products", "source events"]


def test_doctor_says_whether_files_are_a_well_known_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ROOT / "tests")
    samples = ROOT / "tests/components/data/exports"
    assert cli.run(["doctor", "--like", "hm", "components/data/exports/hm", "--json"]) == 0
    content = one_object(capsys.readouterr().out)
    assert content["ok"]
    assert [f["name"] for f in content["findings"]] == ["articles.csv", "customers.csv", "transactions_train.csv", "hm"]
    assert cli.run(["doctor", "--like", "shopify", str(samples / "hm/articles.csv")]) == 1
    assert "missing:" in capsys.readouterr().out
    assert cli.run(["doctor", str(samples)]) == 1
    assert "expected --like NAME" in capsys.readouterr().err
