"""`carousel keep`, `gc` and `forget` on the command line."""

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


def test_forgotten_users_are_counted_by_the_certificate_and_by_the_status(
    promoted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.startup.prepare", lambda: promoted / ".carousel")
    users = tmp_path / "users.txt"
    users.write_text("\n")
    assert cli.run(["forget", "--file", str(users)]) == 1
    assert "users.txt: expected one user id a line, found none" in capsys.readouterr().err
    users.write_text("user-q7x9\nuser-b111\n")
    assert cli.run(["forget", "user-c222", "--file", str(users), "--json"]) == 0
    text = capsys.readouterr().out
    done = json.loads(text)
    assert (done["n_users"], len(done["tombstones"]), done["version"]) == (3, 3, None)
    assert all(result["found"] == [] for result in done["searched"])
    assert "user-" not in text
    assert cli.run(["status", "--json"]) == 0
    assert done["waiting"] is json.loads(capsys.readouterr().out)["unlearning"] is None  # of whom nothing was found
    assert cli.run(["forget", "u1", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert cli.run(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["unlearning"] == done["waiting"]
    assert status["unlearning"]["n_users"] == 1
    version = open_workspace([], [], None).registry().connection.client.get_model_version("carousel", "1")
    assert version.tags["unlearn"].startswith("1 forgotten user waits")


def test_what_is_no_id_is_refused(
    promoted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.startup.prepare", lambda: promoted / ".carousel")
    assert cli.run(["forget", "null"]) == 1
    assert "expected the id of a user" in capsys.readouterr().err
    assert not (promoted / ".carousel/shops/carousel/forgotten.json").exists()
