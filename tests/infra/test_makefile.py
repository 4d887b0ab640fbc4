"""`make clean` removes what runs wrote, and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
OUTPUTS = [out if isinstance(out, str) else next(iter(out)) for stage in STAGES.values() for out in stage["outs"]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    return tmp_path


def clean(checkout: Path) -> None:
    subprocess.run(["make", "--silent", "clean"], cwd=checkout, check=True, capture_output=True)


def write(checkout: Path, *names: str) -> None:
    for name in names:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(name)


def test_the_outputs_of_every_stage_are_removed(checkout: Path) -> None:
    write(checkout, *(out if Path(out).suffix else f"{out}/part/file" for out in OUTPUTS))
    write(checkout, "data/raw/events/events_2026-01.csv.gz", "run/timings/fit.json", "reports/decision.json")
    clean(checkout)
    assert [p.name for p in checkout.iterdir()] == ["Makefile"]


def test_the_files_of_the_user_stay(checkout: Path) -> None:
    mine = [
        "data/online_retail/2011.csv.gz",
        "data/orders.csv",
        "data/raw/events/mine.csv",
        "data/raw/notes.txt",
        "models/my-encoder/model.safetensors",
        "reports/for-the-board.md",
        "run/notes.txt",
        ".carousel/mlflow.db",
    ]
    write(checkout, *mine, "data/snapshot/snapshot.json", "models/simple/ease/model.json")
    clean(checkout)
    assert sorted(str(p.relative_to(checkout)) for p in checkout.rglob("*") if p.is_file()) == sorted(
        [*mine, "Makefile"]
    )
    clean(checkout)  # once more: nothing to do is no fault
