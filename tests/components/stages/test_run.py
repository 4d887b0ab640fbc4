"""The common part of all stages: empty output folders, errors as one message, and timing."""

import json
import os
from pathlib import Path

import pytest
import yaml

from components import params
from components.errors import ContractError
from components.release.digests import dvc_digest
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


STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture
def outputs(workspace: Path) -> list[str]:
    """Write the outputs of all stages and a dvc.lock of them; return their names."""
    cached = [out for entry in STAGES.values() for out in entry["outs"] if isinstance(out, str)]
    for out in cached:
        (workspace / out).mkdir(parents=True)
        (workspace / out / "part.bin").write_bytes(out.encode() * 20)
    lock = {
        name: {"outs": [{"path": o, "md5": dvc_digest(workspace / o)} for o in entry["outs"] if isinstance(o, str)]}
        for name, entry in STAGES.items()
    }
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
    (workspace / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    return cached


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("resolve", "ingest")])
def test_no_stage_reads_a_damaged_output_of_another(workspace: Path, outputs: list[str], name: str) -> None:
    """Each file that dvc.yaml says the stage reads, one bit flipped, with size and time as before."""
    reads = [out for out in outputs if any(d == out or d.startswith(f"{out}/") for d in STAGES[name]["deps"])]
    assert reads
    (workspace / "out").mkdir()
    (workspace / "out/before").write_text("")
    for out in reads:
        file = workspace / out / "part.bin"
        before, content = file.stat(), file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(SystemExit) as ended, run.stage(name, "out"):
            pytest.fail("the stage ran")
        assert str(ended.value.code).startswith(f"{name}: {out}: the bytes are not those that dvc.lock records")
        assert (workspace / "out/before").exists()  # its own outputs are untouched
        file.write_bytes(content)
    with run.stage(name, "out"):
        assert list((workspace / "out").iterdir()) == []


def test_metrics_and_curves(workspace: Path) -> None:
    run.write_metrics(workspace, {"b": 2.0, "a": float("nan")})
    assert list(json.loads((workspace / "metrics.json").read_text())) == ["a", "b"]
    run.write_curve(workspace, "train/loss", [0.5, 0.25])
    rows = (workspace / "plots/metrics/train/loss.tsv").read_text().splitlines()
    assert rows == ["step\ttrain/loss", "0\t0.5", "1\t0.25"]


def test_curves_of_unequal_length_are_one_table(workspace: Path) -> None:
    run.write_epochs(workspace / "a/curves.csv", ("train/loss", "validation/loss"), {"train/loss": [0.5, 0.25]})
    rows = (workspace / "a/curves.csv").read_text().splitlines()
    assert rows == ["epoch,train_loss,validation_loss", "1,0.5,", "2,0.25,"]
    run.write_epochs(workspace / "a/curves.csv", ("train/loss",), {})
    assert (workspace / "a/curves.csv").read_text() == "epoch,train_loss\n"
