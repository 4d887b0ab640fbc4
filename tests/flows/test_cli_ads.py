"""`carousel ads`: what is published with its spend, its log as a file, and a plain error before the first run."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.applications.ads.log_file import read_log
from components.params import load
from components.settings import Settings
from flows import cli
from tests.flows.test_ads import ROOT, serve


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Let the command line open a workspace without a checkout, where nothing is published yet."""
    found = SimpleNamespace(
        params=load(ROOT / "params.yaml"), shop=tmp_path / "shop", settings=Settings(home=tmp_path), root=tmp_path
    )
    monkeypatch.setattr("flows.startup.open_workspace", lambda files, sets: found)
    return found


def test_before_the_first_run_it_says_what_to_run(shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ads"]) == 1
    assert "carousel ads --run" in capsys.readouterr().err


def test_campaigns_and_the_log(shop: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(shop, tmp_path)
    assert cli.run(["ads", "--json", "--log", str(tmp_path / "log.parquet")]) == 0
    status = json.loads(capsys.readouterr().out)
    assert [campaign["campaign"] for campaign in status["campaigns"]] == ["c1", "c2", "c3"]
    assert status["logged"] == 1
    assert len(read_log(tmp_path / "log.parquet", {"a": 0, "b": 1}).rows) == 1


def test_run_makes_the_application_first(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("flows.cli_applications.run_application", lambda *arguments: asked.append(arguments[0]))
    assert cli.run(["ads", "--run"]) == 1  # the run published nothing
    assert asked == ["ads"]
