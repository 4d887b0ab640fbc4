"""Stage `finetune` on a small split: its outputs, after SIGKILL and after SIGTERM."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from components.contracts import Catalogue, Interactions, Users
from components.data.tables import read_users
from components.params import load
from components.privacy.accounting import read_mechanisms, spent_epsilon
from components.recommenders.factory import load_model
from components.release.warm import run_warm, warm_process
from components.stages import finetune
from tests.components.stages.support import select, write_split

World = tuple[Interactions, Catalogue, Users]
Run = Callable[..., tuple[int, str]]
LIBRARIES = ("pandas", "pyarrow.parquet", "safetensors", "torch", "scipy.sparse", "lightning.pytorch.loggers")
KILLED = 128 + signal.SIGKILL
CHECKOUT = Path(__file__).resolve().parents[3]
SMALL = [
    "models.sequence.dim=16",
    "models.sequence.blocks=1",
    "models.sequence.max_length=8",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=4",
    "trainer.patience=4",
    "trainer.batch_size=96",
    "trainer.checkpoint_every_steps=2",
]


def workspace(folder: Path, world: World, *overrides: str) -> Path:
    write_split(folder, world)
    (folder / "run").mkdir()
    write_params(folder, *overrides)
    return folder


def write_params(folder: Path, *overrides: str) -> None:
    params = load(CHECKOUT / "params.yaml", overrides=[*SMALL, *overrides])
    (folder / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))


def start(folder: Path, crash_at: str = "") -> subprocess.Popen[str]:
    """Start the stage in an interpreter of its own."""
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CRASH_AT": crash_at}
    command = [sys.executable, "-m", "components.stages.finetune"]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def warm_env() -> Iterator[dict[str, str]]:
    """Return the environment of a process that has imported the stage's libraries, as a run of the pipeline has one."""
    with warm_process(CHECKOUT, LIBRARIES) as env:
        yield env


@pytest.fixture
def run(warm_env: dict[str, str]) -> Run:
    """Return a function that runs the stage in a fork of the warm process; it gives exit code and output."""

    def call(folder: Path, crash_at: str = "") -> tuple[int, str]:
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CRASH_AT": crash_at}
        command = ["-m", "components.stages.finetune"]
        done = run_warm(command, folder, env | warm_env, 200, logging.getLogger(__name__))
        assert done is not None
        return done.code, "\n".join(done.lines)

    return call


def outs(folder: Path) -> dict[str, bytes]:
    """Return every file that the stage writes, except TensorBoard's."""
    found = [p for name in finetune.OUTS for p in sorted((folder / name).rglob("*")) if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


@pytest.fixture
def straight(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the outputs of an undisturbed run."""
    monkeypatch.chdir(workspace(tmp_path / "straight", world))
    finetune.main()
    return outs(tmp_path / "straight")


def test_model_curves_and_metrics_are_written(straight: dict[str, bytes], tmp_path: Path) -> None:
    assert sorted(straight) == [
        "models/sequence/arrays.safetensors",
        "models/sequence/model.json",
        "reports/finetune/metrics.json",
        "reports/finetune/plots/metrics/train/loss.tsv",
        "reports/finetune/plots/metrics/validation/ndcg_at_10.tsv",
    ]
    folder = tmp_path / "straight"
    ranked = load_model(folder / "models/sequence").recommend(read_users(folder / "data/split", "validation"), 5)
    assert (ranked.items > 0).all()
    metrics = json.loads(straight["reports/finetune/metrics.json"])
    assert metrics["epochs"] == 4
    curve = straight["reports/finetune/plots/metrics/validation/ndcg_at_10.tsv"].decode().splitlines()[1:]
    assert max(float(line.split()[1]) for line in curve) == pytest.approx(metrics["validation/ndcg_at_10"], rel=1e-4)
    rows = (folder / "reports/summary/sequence.csv").read_text().splitlines()
    assert rows[0] == "epoch,train_loss,validation_ndcg_at_10"
    assert [float(row.split(",")[2]) for row in rows[1:]] == [float(line.split()[1]) for line in curve]
    assert list((folder / "run/tensorboard").glob("events.out.tfevents.*"))
    assert not (folder / finetune.WORK).exists()


def model_of(found: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in found.items() if path.startswith("models/")}


def best_epoch(found: dict[str, bytes]) -> int:
    """Return the epoch that a run has selected."""
    curve = found["reports/finetune/plots/metrics/validation/ndcg_at_10.tsv"].decode().splitlines()[1:]
    values = [float(line.split()[1]) for line in curve]
    best = values.index(max(values)) + 1
    assert json.loads(found["reports/finetune/metrics.json"])["epochs/best"] == best
    return best


def test_with_a_recipe_its_epochs_give_the_bytes_of_the_run_that_selected_them(
    straight: dict[str, bytes], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = best_epoch(straight)
    monkeypatch.chdir(workspace(tmp_path / "recipe", world))
    select(recommender="sequence", sequence_epochs=best)
    finetune.main()
    found = outs(tmp_path / "recipe")
    assert model_of(found) == model_of(straight)
    assert json.loads(found["reports/finetune/metrics.json"]) == {"epochs": best, "unfinished": 0}
    assert not any("validation" in path for path in found)


def test_a_recipe_without_a_sequence_model_gets_a_note(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace(tmp_path, world))
    select()
    finetune.main()
    assert sorted(outs(tmp_path)) == ["models/sequence/note.txt", "reports/finetune/metrics.json"]
    assert json.loads(Path("reports/finetune/metrics.json").read_bytes()) == {}


@pytest.mark.slow
def test_with_a_recipe_resuming_after_sigkill_gives_the_same_bytes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    points = ("finetune:step", "finetune:best", "finetune:epoch", "finetune:after")
    for name in ("undisturbed", *points):
        monkeypatch.chdir(workspace(tmp_path / name, world))
        select(recommender="sequence", sequence_epochs=2)
    assert run(tmp_path / "undisturbed")[0] == 0
    for point in points:
        assert run(tmp_path / point, crash_at=point)[0] == KILLED
        code, said = run(tmp_path / point)
        assert code == 0, said
        assert outs(tmp_path / point) == outs(tmp_path / "undisturbed"), point


@pytest.mark.usefixtures("straight")
def test_processes_of_other_ranks_write_nothing(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rank 0 writes the outputs; training is skipped here."""
    folder = workspace(tmp_path / "further", world)
    (folder / "models/sequence").mkdir(parents=True)
    (folder / "models/sequence/theirs").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("components.recommenders.sequence.recommender.SequenceRecommender.fit", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        finetune.main()
    assert not end.value.code
    assert list(outs(folder)) == ["models/sequence/theirs"]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["finetune:step", "finetune:best", "finetune:epoch", "finetune:after"])
def test_resuming_after_sigkill_gives_the_bytes_of_an_undisturbed_run(
    straight: dict[str, bytes], world: World, tmp_path: Path, run: Run, point: str
) -> None:
    folder = workspace(tmp_path / "killed", world)
    code, _ = run(folder, crash_at=point)
    assert code == KILLED
    assert (folder / finetune.WORK / "state.json").exists()
    code, said = run(folder)
    assert code == 0, said
    assert ("resumed in epoch" in said) == (point != "finetune:after"), said
    assert outs(folder) == straight


def test_with_epsilon_resuming_after_sigkill_adds_the_same_noise(
    world: World, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "k" * 32)
    knobs = ("privacy.epsilon=4", "privacy.users_per_step=10")
    undisturbed = workspace(tmp_path / "straight", world, *knobs)
    code, said = run(undisturbed)
    assert code == 0, said
    killed = workspace(tmp_path / "killed", world, *knobs)
    code, _ = run(killed, crash_at="finetune:step")
    assert code == KILLED
    code, said = run(killed)
    assert code == 0, said
    assert outs(killed) == outs(undisturbed)
    (mechanism,) = read_mechanisms(killed / "models/sequence")
    assert spent_epsilon([mechanism], 1e-5) < 4
    epochs = load(killed / "run/params.yaml").trainer.max_epochs
    assert json.loads((killed / "reports/finetune/metrics.json").read_bytes())["epochs/best"] == epochs


@pytest.mark.slow
@pytest.mark.timeout(900)  # five processes
def test_resuming_after_several_kills_gives_the_same_bytes(
    straight: dict[str, bytes], world: World, tmp_path: Path, run: Run
) -> None:
    """Each attempt trains one more epoch; the last one finds the training complete."""
    folder = workspace(tmp_path / "killed", world)
    for _ in range(4):
        assert run(folder, crash_at="finetune:epoch")[0] == KILLED
    assert run(folder)[0] == 0
    assert outs(folder) == straight


@pytest.mark.slow
def test_sigterm_is_a_failure(world: World, tmp_path: Path) -> None:
    folder = workspace(tmp_path, world, "trainer.max_epochs=100000", "trainer.patience=100000")
    process = start(folder)
    deadline = time.monotonic() + 150
    while not (folder / finetune.WORK / "state.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "run again to resume" in said
    assert "Traceback" not in said
    assert not (folder / "models/sequence/model.json").exists()
    assert (folder / finetune.WORK / "state.json").exists()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused_by_name(world: World, tmp_path: Path, run: Run) -> None:
    folder = workspace(tmp_path, world)
    run(folder, crash_at="finetune:step")
    state = next((folder / finetune.WORK).glob("state-*.safetensors"))
    state.write_bytes(state.read_bytes()[:-100])
    code, said = run(folder)
    assert code == 1
    assert f"finetune: {finetune.WORK}/{state.name}: damaged" in said
    assert "Traceback" not in said


def test_a_stopped_training_is_marked_and_the_next_run_ends_with_the_same_model(
    straight: dict[str, bytes], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace(tmp_path / "slow", world, "trainer.max_minutes=0.0000001")
    monkeypatch.chdir(folder)
    finetune.main()
    mark = json.loads((folder / "models/sequence/unfinished.json").read_bytes())
    assert (mark["limit"], mark["step"]) == ("trainer.max_minutes", 1)
    assert json.loads((folder / "reports/finetune/metrics.json").read_bytes())["unfinished"] == 1
    load_model(folder / "models/sequence")
    write_params(folder)  # with the usual limit
    finetune.main()
    assert outs(folder) == straight
    assert not (folder / "run/finetune").exists()
