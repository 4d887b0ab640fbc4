"""The common part of all stages: empty output folders, errors as one message, and timing."""

import json
from pathlib import Path

import pytest

from components import params
from components.errors import ContractError
from components.stages import run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def test_a_stage_gets_its_parameters_and_an_empty_folder(workspace: Path) -> None:
    (workspace / "out").mkdir()
    (workspace / "out/stale").write_text("from before")
    with run.stage("ingest", "out") as loaded:
        assert loaded == params.load(ROOT / "params.yaml")
        assert list((workspace / "out").iterdir()) == []
    assert json.loads((workspace / "run/timings/ingest.json").read_text())["work_s"] >= 0


def test_an_error_ends_the_process_with_its_message(workspace: Path) -> None:
    with pytest.raises(SystemExit) as ended, run.stage("split"):
        raise ContractError("expected 3 columns, got 2")
    assert ended.value.code == "split: expected 3 columns, got 2"
    assert not (workspace / "run/timings/split.json").exists()


def test_metrics_and_curves(workspace: Path) -> None:
    run.write_metrics(workspace, {"b": 2.0, "a": float("nan")})
    assert list(json.loads((workspace / "metrics.json").read_text())) == ["a", "b"]
    run.write_curve(workspace, "train/loss", [0.5, 0.25])
    rows = (workspace / "plots/metrics/train/loss.tsv").read_text().splitlines()
    assert rows == ["step\ttrain/loss", "0\t0.5", "1\t0.25"]
