"""DVC's own commands on a toy shop after two retrains, as docs/dvc.md shows them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli
from flows.retrain import retrain
from tests.flows.toy import call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BIN = Path(sys.executable).parent


def dvc(root: Path, *arguments: str) -> str:
    env = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def shop(promoted: Path) -> Path:
    """Return the checkout with two versions, which have tags."""
    assert retrain.fn(max_epochs=30)["verdict"] == "promote"
    assert cli.run(["tag"]) == 0
    return promoted


def test_versions_are_compared_and_their_data_restored(shop: Path, tmp_path: Path) -> None:
    # metrics, params and plots of the last run, and between two versions
    (row,) = json.loads(dvc(shop, "metrics", "show", "--json", "reports/summary/contest.json")).values()
    assert row["data"]["reports/summary/contest.json"]["data"]["ease"] == 0.3
    diff = json.loads(dvc(shop, "metrics", "diff", "carousel/v1", "carousel/v2", "--json"))
    assert diff["reports/summary/contest.json"]["ease"] == {"old": 0.1, "new": 0.3, "diff": pytest.approx(0.2)}
    diff = json.loads(dvc(shop, "params", "diff", "carousel/v1", "carousel/v2", "--json"))
    assert diff["run/params.yaml"]["trainer.max_epochs"] == {"old": 10, "new": 30, "diff": 20}
    plots = json.loads(dvc(shop, "plots", "diff", "carousel/v1", "carousel/v2", "--json"))
    assert plots.get("errors", []) == []
    assert set(plots["data"]) == {"contest", "slices", "sequence model", "ranker", "drift"}
    assert [len(one["revisions"]) for one in plots["data"]["contest"]] == [2]
    assert "file://" in dvc(shop, "plots", "show", "--out", str(tmp_path / "plots"))
    table = dvc(shop, "metrics", "show")
    assert max(map(len, table.splitlines())) < 120

    # an experiment holds its numbers
    dvc(shop, "exp", "run", "--set-param", "trainer.max_epochs=12")
    shown = dvc(shop, "exp", "show", "--csv", "--only-changed", "--drop", r"(models/|champion|run/|data/).*")
    head, *rows = [line.split(",") for line in shown.splitlines()]
    assert rows[-1][head.index("ease")] == "0.12"
    assert [rows[-1][n] for n, name in enumerate(head) if name.endswith("trainer.max_epochs")] == ["12"]

    # data of a version, in a second clone
    second = tmp_path / "second"
    call(tmp_path, "git", "clone", "--quiet", str(shop), str(second))
    dvc(second, "get", str(shop), "data/snapshot", "--rev", "carousel/v1", "--out", str(second / "v1"))
    assert (second / "v1/rows.txt").read_text().startswith("2026-03-01")
    call(second, "git", "checkout", "--quiet", "carousel/v1")
    dvc(second, "remote", "modify", "--local", "local", "url", str(shop / ".carousel/remote"))
    dvc(second, "pull", "data/snapshot")
    assert (second / "data/snapshot/rows.txt").read_text() == (second / "v1/rows.txt").read_text()

    # everything is up to date: only the stage that always runs does
    assert "Stage 'package' didn't change, skipping" in dvc(shop, "repro")
