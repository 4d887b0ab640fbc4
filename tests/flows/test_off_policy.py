"""`carousel experiment off-policy | interleave`: output and exit codes."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli import run


@pytest.mark.parametrize(("target", "code"), [("0.9", 0), ("0.1", 2), ("0.5", 3)])
def test_the_exit_code_says_whether_the_policy_is_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, code: int
) -> None:
    """All rewards follow the first of two actions, which the log takes half of the time."""
    other = f"{1 - float(target):.1f}"
    rows = [f"{n % 2},.5,{target if n % 2 else other}" for n in range(400)]
    (tmp_path / "log.csv").write_text("reward,p,target_propensity\n" + "\n".join(rows) + "\n")
    assert run(["experiment", "off-policy", str(tmp_path / "log.csv"), "--propensity", "p", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["snips"]["value"] == pytest.approx(float(target))
    assert report["logging"]["value"] == pytest.approx(0.5)


def test_the_table_names_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text("reward,propensity,target_propensity\n1,.5,.5\n0,.5,.5\n,.5,.5\n")
    assert run(["experiment", "off-policy", str(tmp_path / "log.csv")]) == 3
    text = capsys.readouterr().out
    assert "1 not a finite number" in text
    assert "SNIPS" in text
    assert "doubly robust" not in text


def test_lists_are_merged_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        rows = [f"u{user},{n},{name}{n}" for user in range(60) for n in (1, 2)]
        (tmp_path / f"{name}.csv").write_text("user_id,position,item_id\n" + "\n".join(rows) + "\n")
    (tmp_path / "clicks.csv").write_text("user_id,item_id\n" + "".join(f"u{n},b1\n" for n in range(59)) + "u59,a1\n")
    files = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--k", "2", "--json"]
    assert run(["experiment", "interleave", *files, "--out", str(tmp_path / "merged.parquet")]) == 0
    assert json.loads(capsys.readouterr().out)["users"] == 60
    merged = pq.read_table(tmp_path / "merged.parquet")
    assert merged["item_id"].to_pylist().count("b1") == 60
    assert run(["experiment", "interleave", *files, "--clicks", str(tmp_path / "clicks.csv")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["voters"], report["verdict"]) == (60, "second")


def test_a_missing_column_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text("reward\n1\n")
    assert run(["experiment", "off-policy", str(tmp_path / "log.csv"), "--json"]) == 1
    assert "no column propensity" in capsys.readouterr().out
