"""`carousel recommend`, `carousel export` and `carousel impressions` on the command line."""

import json
from pathlib import Path

import pytest

from flows import cli


def test_a_list_as_a_table_and_as_json(
    promoted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.startup.prepare", lambda: promoted / ".carousel")
    assert cli.run(["recommend", "--history", "sku-1,sku-3", "-k", "2", "--where", "price < 9"]) == 0
    assert "version 1, ease" in capsys.readouterr().out
    assert cli.run(["recommend", "u1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["items"]) == 10
    assert found["items"][0].keys() >= {"item_id", "title", "score", "contributions", "explained_by"}
    assert cli.run(["recommend"]) == 1
    assert "expected a user or --history" in capsys.readouterr().err
    assert cli.run(["recommend", "u1", "--where", "price <"]) == 1
    assert "rule: expected such as price < 50" in capsys.readouterr().err


def test_an_export_and_its_impressions(
    promoted: Path, unrecorded: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.startup.prepare", lambda: promoted / ".carousel")
    assert cli.run(["export", "lists.parquet", "-k", "3", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["n_users"], done["n_rows"]) == (1, 3)
    (promoted / "shown.csv").write_text(f"list_id,timestamp,n_shown\n{done['export_id']}-0,2026-03-02T08:00:00Z,2\n")
    assert cli.run(["impressions", "lists.parquet", "shown.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_rows"] == 2
    assert cli.run(["export", "lists.docx"]) == 1
    assert "expected a name that ends in .parquet, .csv, .jsonl" in capsys.readouterr().err
