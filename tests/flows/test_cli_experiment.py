"""`carousel experiment VERB`: what is missing is named."""

from pathlib import Path

import pytest

from flows.cli import run


def test_the_command_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "home"))
    assert run(["experiment", "status", "--json"]) == 1
    assert "no experiment runs" in capsys.readouterr().out
    assert run(["experiment", "start", "spring", "--json"]) == 1
    assert "carousel retrain" in capsys.readouterr().out
