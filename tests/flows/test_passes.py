"""What the flows share: when a decision promotes, one warm process for a run, and what a busy machine does to a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contracts import Decision
from components.errors import BusyError
from components.io import read_record
from components.release.candidates import CURVES_OF
from components.release.warm import warm_process
from components.release.warm_client import SOCKET
from components.stages import finetune, pretrain, rank
from flows import passes, tasks
from flows.outcome import Pass, build_outcome
from flows.workspace import open_workspace


@pytest.fixture
def decision(promoted: Path) -> Decision:
    return read_record(promoted / "reports/decision.json", Decision, "decision")


@pytest.mark.parametrize(
    ("change", "promotes"),
    [
        ({}, True), ({"verdict": "refresh"}, True), ({"verdict": "keep"}, False),
        ({"verdict": "not_enough_evidence"}, False), ({"mode": "dry_run"}, False),
    ],
)  # fmt: skip
def test_only_an_enabled_decision_to_ship_promotes(
    decision: Decision, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], promotes: bool
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(tasks.promote, "fn", calls.append)
    workspace = open_workspace([], [], None)
    assert passes.promote_decided(workspace, decision.model_copy(update=change)) is promotes
    assert calls == [workspace] * promotes
    assert not passes.promote_decided(workspace, None)


def test_the_curves_of_a_training_are_a_run_below_its_version(promoted: Path) -> None:
    """Whether they were shown while it trained, or, where the registry was busy then, with the version."""
    registry = open_workspace([], [], None).registry()
    version_run = registry.connection.client.get_run(registry.version(1).run_id)
    children = {child.data.tags["candidate"]: child for child in registry.runs.children(version_run.info.run_id)}
    child = children["language model"]
    assert version_run.info.start_time <= children["ease"].info.start_time
    history = registry.connection.client.get_metric_history(child.info.run_id, "train/pairs")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 1.0)]
    assert (child.info.run_name, child.info.status) == ("language model", "FINISHED")


def test_the_trainings_of_a_pass_are_followed(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: dict[str, Path] = {}

    @contextmanager
    def follow(_: object, model: str, folder: Path) -> Iterator[None]:
        followed[model] = folder
        yield

    monkeypatch.setattr(passes, "follow_training", follow)
    workspace = open_workspace([], [], None)
    stages = ("pretrain", "finetune")  # the toy shop has no ranker
    passes.run_stages(workspace, (*stages, "split"))
    assert followed == {CURVES_OF[stage]: workspace.root / passes.BOARDS[stage] for stage in stages}


def test_stages_write_their_curves_where_the_flow_reads_them() -> None:
    assert {"pretrain": pretrain.WORK, "finetune": finetune.BOARD, "rank": rank.BOARD} == passes.BOARDS
    assert passes.BOARDS.keys() == CURVES_OF.keys()


def test_a_warm_process_within_another_is_the_same(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "warm_process", warm_process)  # one of its own, not that of the tests
    with passes.warm_workspace(open_workspace([], [], None)) as outer:
        with passes.warm_workspace(outer) as inner:
            assert inner is outer
        assert Path(outer.env[SOCKET]).exists()  # the inner block has not ended it
    assert not Path(outer.env[SOCKET]).exists()


def test_outside_a_deployment_a_busy_machine_is_an_error() -> None:
    with pytest.raises(BusyError, match="since noon"):
        passes.cancel_when_busy(BusyError("a retrain runs since noon"))
    assert passes.deployed_run_info() == (None, None)


def test_in_a_deployment_a_busy_machine_cancels_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes.deployment, "get_id", lambda: "of weekly")
    state = passes.cancel_when_busy(BusyError("a retrain runs since noon"))
    assert (state.name, state.message) == ("Cancelled", "a retrain runs since noon")


def test_a_deployed_run_is_timed_from_its_start_and_another_from_its_process(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace([], [], None)
    monkeypatch.setattr(passes.time, "time", lambda: 100.0)
    monkeypatch.setattr(passes, "process_start", lambda: 40.0)
    assert passes.seconds_since(70.0, workspace) == 60.0
    assert passes.seconds_since(70.0, replace(workspace, deployed=True)) == 30.0
    outcome = build_outcome(workspace, 60.0, Pass(reason="nothing newer"))
    assert passes.completed_state(outcome) == outcome.model_dump(mode="json")  # no state outside of a flow run
