"""Curves in MLflow while a training goes on: one run for each model, which its version adopts."""

import time
from pathlib import Path
from typing import Any

import pytest

from components.curves import write_curves
from components.errors import StageError
from components.params import Params
from components.release.registry import Registry
from components.release.training_runs import TrainingRuns, follow_training
from components.settings import Settings
from tests.components.release.support import Register

LOSS = {"train/loss": [3.5, 2.5, 1.25]}  # the curve of `finetune` in the run folder of the fixtures
METRICS = {"evaluate/test/ease/ndcg_at_10": 0.25, "evaluate/test/sequence/ndcg_at_10": 0.2}


def first(n: int) -> dict[str, list[float]]:
    return {name: values[:n] for name, values in LOSS.items()}


def history(registry: Registry, run_id: str) -> list[tuple[int, float]]:
    points = registry.connection.client.get_metric_history(run_id, "train/loss")
    return sorted((point.step, point.value) for point in points)


def show(training: TrainingRuns, curves: dict[str, list[float]], model: str = "sequence") -> str:
    run_id, logged = training.begin(model, curves)
    training.log(run_id, curves, logged)
    return run_id


def find_runs(registry: Registry, wanted: str = "") -> list[Any]:
    return list(registry.connection.client.search_runs([registry.runs.experiment_id()], wanted))


class KilledError(Exception):
    """Stands for the end of the process."""


class Killed:
    """MLflow's client, in a process that ends before its n-th write."""

    def __init__(self, client: Any, n: int) -> None:
        self.client, self.left = client, n

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("log_", "set_", "delete_", "update_", "create_")):
            self.left -= 1
            if self.left < 0:
                raise KilledError
        return getattr(self.client, name)


def test_a_training_that_goes_on_keeps_its_run_and_another_one_replaces_it(registry: Registry, params: Params) -> None:
    training = registry.runs.training
    run_id = show(training, first(1))
    training.end(run_id, is_done=False)
    client = registry.connection.client
    assert client.get_run(run_id).info.status == "FAILED"
    assert show(Registry(registry.settings, params.release).runs.training, first(2)) == run_id  # after kill -9
    assert history(registry, run_id) == [(0, 3.5), (1, 2.5)]
    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name, run.data.tags["role"]) == (
        "RUNNING",
        "sequence, in training",
        "training",
    )
    other = show(training, {"train/loss": [9.0]})
    assert other != run_id
    assert [run.info.run_id for run in find_runs(registry)] == [other]  # the other training's is removed
    assert show(training, {"train/loss": [0.5]}, "ranker") != other


def test_the_version_adopts_the_run_with_all_its_curves(registry: Registry, register: Register) -> None:
    live = show(registry.runs.training, first(2))
    number = register(metrics=METRICS)
    (version_run,) = find_runs(registry, "tags.release = 'carousel'")  # the clean-up sees the version's run alone
    children = {child.data.tags["candidate"]: child for child in registry.runs.children(version_run.info.run_id)}
    child = children["sequence"]
    assert (child.info.run_id, child.info.run_name, child.info.status) == (live, "sequence", "FINISHED")
    assert history(registry, live) == [(0, 3.5), (1, 2.5), (2, 1.25)]
    assert child.data.metrics["ndcg_at_10"] == 0.2
    assert child.data.params["trainer.max_epochs"] == "10"
    assert child.data.tags["role"] == "candidate"
    assert not {"training", "release"} & child.data.tags.keys()
    assert register(metrics=METRICS) == number
    assert len(find_runs(registry)) == 3  # the version's, ease, sequence


def test_a_run_with_other_curves_is_removed(registry: Registry, register: Register) -> None:
    other = show(registry.runs.training, {"train/loss": [3.5, 9.0]})
    longer = show(registry.runs.training, {"train/loss": [1.0]}, "language model")  # in no contest
    register(metrics=METRICS)
    found = {run.info.run_id: run for run in find_runs(registry)}
    assert not {other, longer} & found.keys()
    (sequence,) = [run for run in found.values() if run.data.tags.get("candidate") == "sequence"]
    assert history(registry, sequence.info.run_id) == [(0, 3.5), (1, 2.5), (2, 1.25)]  # after the fact


def test_runs_of_other_homes_and_models_stay(
    registry: Registry, params: Params, register: Register, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "second", tracking_uri=registry.settings.tracking_uri).resolved(tmp_path)
    elsewhere = show(Registry(settings, params.release).runs.training, first(1))
    release = params.release.model_copy(update={"name": "other"})
    another = show(Registry(registry.settings, release).runs.training, first(1))
    register(metrics=METRICS)
    assert {elsewhere, another} <= {run.info.run_id for run in find_runs(registry)}


@pytest.mark.parametrize("n", range(6))
def test_a_killed_adoption_goes_on(n: int, registry: Registry, params: Params) -> None:
    training, live = registry.runs.training, show(registry.runs.training, first(1))
    parent = registry.runs.begin("version", {"search": "s"})
    killed = Registry(registry.settings, params.release)
    killed.connection.__dict__["client"] = Killed(registry.connection.client, n)
    if n < 5:
        with pytest.raises(KilledError):
            killed.runs.training.adopt(parent, "sequence", LOSS)
    else:
        assert killed.runs.training.adopt(parent, "sequence", LOSS) is not None
    adopted = training.adopt(parent, "sequence", LOSS)
    assert (adopted is not None) == (n <= 3)  # else it is below the version's run already
    training.remove_leftovers()
    (child,) = registry.runs.children(parent)
    assert (child.info.run_id, child.info.run_name) == (live, "sequence")
    assert not {"training", "release"} & child.data.tags.keys()
    assert history(registry, live) == [(0, 3.5), (1, 2.5), (2, 1.25)]
    assert len(find_runs(registry)) == 2


def test_curves_are_shown_while_the_training_goes_on(registry: Registry, tmp_path: Path) -> None:
    board = tmp_path / "board"
    registry.runs.experiment_id()
    write_curves(board, {"train/loss": [7.0]})  # of an earlier training
    with follow_training(registry.runs.training, "sequence", board, poll_s=0.01):
        assert not (board / "curves.json").exists()
        write_curves(board, first(1))
        run = wait_for_run(registry)
        assert (run.info.status, run.data.metrics) == ("RUNNING", {"train/loss": 3.5})
        write_curves(board, first(2))
    run = wait_for_run(registry)
    assert (run.info.status, history(registry, run.info.run_id)) == ("FINISHED", [(0, 3.5), (1, 2.5)])
    with pytest.raises(StageError, match="no memory"):
        fail_in_training(registry, board)
    (again,) = find_runs(registry)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FAILED")
    assert history(registry, again.info.run_id) == [(0, 3.5), (1, 2.5), (2, 1.25)]


def fail_in_training(registry: Registry, board: Path) -> None:
    with follow_training(registry.runs.training, "sequence", board, poll_s=60):
        write_curves(board, LOSS)
        raise StageError("no memory")


def wait_for_run(registry: Registry) -> Any:
    """Return the only run, once it has a value."""
    for _ in range(500):
        found = [run for run in find_runs(registry) if run.data.metrics]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no run is shown")


def test_a_stage_without_curves_leaves_no_run_and_an_unreachable_server_stops_nothing(
    registry: Registry, params: Params, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with follow_training(registry.runs.training, "sequence", tmp_path):
        pass
    assert find_runs(registry) == []
    settings = Settings(home=tmp_path / "second", tracking_uri="nonsense://host").resolved(tmp_path)
    with follow_training(Registry(settings, params.release).runs.training, "sequence", tmp_path):
        write_curves(tmp_path, LOSS)
    assert "curves of sequence are not shown while it trains" in caplog.text
