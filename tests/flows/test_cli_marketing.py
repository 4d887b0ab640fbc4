"""`carousel audience` on what is published: files of those to address and of those held out."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows import cli
from flows.workspace import open_workspace
from tests.components.applications.marketing.published_shop import publish_small_shop


def users_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["user_id"] for row in csv.DictReader(file)]


def test_audiences_as_files(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.startup.prepare", lambda: checkout / ".carousel")
    assert cli.run(["audience", "orders >= 1", "--out", "spring.csv"]) == 1
    assert "run `carousel marketing` first" in capsys.readouterr().err
    publish_small_shop(tmp_path / "made", open_workspace([], [], None).shop)
    assert cli.run(["audience", "orders >= 1", "--out", "spring.csv", "--limit", "60", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["campaign"], done["users"] + done["held_out"]) == ("spring", 60)
    addressed, others = users_of(checkout / "spring.csv"), users_of(checkout / "spring.holdout.csv")
    assert (len(addressed), len(others)) == (done["users"], done["held_out"])
    assert not set(addressed) & set(others)
    (checkout / "ours.txt").write_text("\n".join(f"u{n:03d}" for n in range(0, 40, 2)))
    assert cli.run(["audience", "--like", "ours.txt", "--campaign", "c", "--out", "like.parquet"]) == 0
    assert pq.read_table(checkout / "like.parquet")["treated"].to_pylist() == [True] * len(
        pq.read_table(checkout / "like.parquet")
    )
    capsys.readouterr()
    for arguments, message in (
        (["age > 3", "--out", "a.csv"], "no field 'age'"),
        (["--out", "a.csv"], "needs an expression"),
        (["orders > 1", "--out", "a.xlsx"], "ends in .csv or .parquet"),
    ):
        assert cli.run(["audience", *arguments]) == 1
        assert message in capsys.readouterr().err
