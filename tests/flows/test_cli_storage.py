"""`carousel keep` and `carousel gc` on the command line."""

import json
from pathlib import Path

import pytest

from flows import cli
from flows.workspace import open_workspace


def test_a_version_is_kept_and_a_cleaning_says_so(
    promoted: Path, unrecorded: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.cli_storage.prepare", lambda: promoted / ".carousel")
    assert cli.run(["keep", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "kept": True}
    assert cli.run(["gc", "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dry_run"] is True
    assert list(report["retained"]) == ["1"]
    assert {row["what"] for row in report["cleaned"]} >= {"model versions", "DVC cache", "DVC remote", "exposure files"}
    assert report["cleaned"][0]["count"] == 0
    assert cli.run(["keep", "1", "--release"]) == 0
    assert list(open_workspace([], [], None).registry().digests()) == [1]


def test_a_version_that_is_not_there_is_an_error(
    promoted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.cli_storage.prepare", lambda: promoted / ".carousel")
    assert cli.run(["keep", "9"]) == 1
    assert "version 9 of carousel is not in the registry" in capsys.readouterr().err
