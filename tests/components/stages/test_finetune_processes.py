"""Stage `finetune` in two processes: the model of one, also where a run goes on with another number of processes."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import psutil
import pytest

from components.data.tables import read_users
from components.recommenders.factory import load_model
from components.stages import finetune
from tests.components.serving.processes import wait_until
from tests.components.stages.test_finetune import World, outs, start, workspace, write_params

EXACT = ["trainer.precision=32-true", "models.sequence.dropout=0"]  # draws of dropout differ between processes
TWO = ["trainer.devices=2", "trainer.strategy=ddp"]
LONG = ["trainer.max_epochs=40", "trainer.patience=40"]


@pytest.fixture
def alone(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """Return the curves of one process."""
    monkeypatch.chdir(workspace(tmp_path / "alone", world, *EXACT))
    finetune.main()
    return curves(tmp_path / "alone")


def curves(folder: Path) -> list[list[float]]:
    """Return epoch, training loss and validation metric of each epoch."""
    lines = (folder / "reports/summary/sequence.csv").read_text().splitlines()[1:]
    return [[float(value) for value in line.split(",")] for line in lines]


def finish(process: subprocess.Popen[str], wait_s: float = 600) -> tuple[int, str]:
    _, said = process.communicate(timeout=wait_s)
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_the_model_of_one(alone: list[list[float]], world: World, tmp_path: Path) -> None:
    folder = workspace(tmp_path / "two", world, *EXACT, *TWO)
    code, said = finish(start(folder))
    assert code == 0, said
    assert len(outs(folder)) == 5
    model = load_model(folder / "models/sequence")
    assert np.isfinite(model.score(read_users(folder / "data/split", "validation"))).all()
    assert len(alone) == 4
    np.testing.assert_allclose(curves(folder), alone, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("before", [1, 2])
def test_a_killed_run_resumes_with_another_number_of_processes(
    alone: list[list[float]], world: World, tmp_path: Path, before: int
) -> None:
    """Killed at a checkpoint within an epoch; the curves are those of one process without a break."""
    folder = workspace(tmp_path / "resumed", world, *EXACT, *(TWO if before == 2 else []))
    code, said = finish(start(folder, crash_at="finetune:step"))
    assert code == -signal.SIGKILL, said
    write_params(folder, *EXACT, *([] if before == 2 else TWO))
    code, said = finish(start(folder))
    assert code == 0, said
    assert "resumed in epoch 1 at step 2" in said
    np.testing.assert_allclose(curves(folder), alone, atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_and_the_run_resumes(world: World, tmp_path: Path, killed: int) -> None:
    folder = workspace(tmp_path, world, *EXACT, *TWO, *LONG)
    first = start(folder)
    checkpoint = folder / finetune.WORK / "state.json"
    wait_until(checkpoint.exists)
    (further,) = psutil.Process(first.pid).children()
    (first if killed == 0 else further).kill()
    code, said = finish(first, 60)  # which reads to the end, the end of the other process
    assert not further.is_running() or further.status() == psutil.STATUS_ZOMBIE
    assert code == (-signal.SIGKILL if killed == 0 else 1), said
    assert "run again to resume from the checkpoint" in said
    before = json.loads(checkpoint.read_bytes())["curves"].get("train/loss", [])
    assert len(before) < 40
    write_params(folder, *EXACT, *LONG)  # one process is enough to go on
    code, said = finish(start(folder))
    assert code == 0, said
    assert "resumed in epoch" in said
    after = curves(folder)
    assert len(after) == 40
    np.testing.assert_allclose([loss for _, loss, _ in after[: len(before)]], before, atol=1e-5)
