"""The main flow on a toy checkout: the stages that run, the records, the output, and the states in Prefect."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.errors import BusyError, CarouselError, ContractError, StageError
from components.release.lock import exclusive_lock
from components.release.registry import Registry
from components.settings import Settings
from flows import passes, unchanged
from flows.workspace import open_workspace

STAGES = ["ingest", "split", "pretrain", "encode", "fit", "finetune", "incumbent", "evaluate", "drift", "package"]


def run(**parameters: Any) -> dict[str, Any]:
    """Run the flow as the command line does without Prefect."""
    from flows.retrain import retrain

    return dict(retrain.fn(**parameters))


def ran(outcome: dict[str, Any]) -> list[str]:
    return [stage["name"] for stage in outcome["stages"] if stage["ran"]]


def champion(root: Path) -> int | None:
    workspace = open_workspace([], [], None)
    version = Registry(Settings().resolved(root), workspace.params.release).alias("champion")
    return version.number if version else None


def test_the_first_run_promotes_and_reports_it(first: tuple[Path, dict[str, Any]]) -> None:
    root, outcome = first
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("promote", True, 1)
    assert ran(outcome) == STAGES
    assert outcome["reasons"][0].startswith("first champion")
    assert outcome["refreshed"] is None  # a first champion is as new as it can be
    assert Path(outcome["report"]).is_file()
    assert 0 < outcome["overhead_s"] <= outcome["seconds"]
    assert sum(outcome["overhead"].values()) == pytest.approx(outcome["overhead_s"], abs=0.1)
    assert json.loads((root / "reports/decision.json").read_bytes())["challenger_version"] == 1
    assert any((root / ".carousel/remote").rglob("*"))  # the data are in the DVC remote


def test_prefect_records_a_task_per_stage_and_artifacts(first: tuple[Path, dict[str, Any]]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    with get_client(sync_client=True) as client:  # an answer has 200 rows at most: fewer than all tests make
        (flow_run,) = [r for r in client.read_flow_runs() if r.name == "retrain" and r.state_name == "Promoted"]
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        runs = client.read_task_runs(flow_run_filter=of_run, sort=TaskRunSort.END_TIME_DESC)
        keys = {a.key for a in client.read_artifacts()}
    names = [r.name for r in reversed(runs)]
    assert [n for n in names if n in STAGES] == STAGES
    assert names.index("finetune") < next(i for i, n in enumerate(names) if n.startswith("sync_champion"))
    assert {
        "verdict",
        "metrics",
        "differences",
        "report",
        "history-report",
        "drift-report",
        "mlflow",
        "progress",
    } <= keys
    assert flow_run.state is not None
    assert "first champion" in (flow_run.state.message or "")


def test_a_better_challenger_is_promoted_and_only_what_changed_runs(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []
    warm_process = passes.warm_process
    monkeypatch.setattr(passes, "warm_process", lambda root: started.append(root) or warm_process(root))
    assert unchanged.unchanged_outcome([], ["trainer.max_epochs=30"], None) is None
    outcome = run(overrides=["trainer.max_epochs=30"])
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("promote", True, 2)
    assert ran(outcome) == [
        "finetune",
        "incumbent",
        "evaluate",
        "drift",
        "package",
    ]  # drift: its reference is now the champion's
    assert champion(promoted) == 2
    refreshed = outcome["refreshed"]  # the toy's model does not depend on the data
    assert (refreshed["verdict"], refreshed["promoted"]) == ("keep", False)
    assert refreshed["reasons"] == ["the champion is this bundle: same data, parameters and code"]
    assert outcome["report"] == str(promoted / "run/retrain/evaluate/report.html")
    assert len(started) == 1  # retrain and refresh share one warm process
    again = unchanged.unchanged_outcome([], ["trainer.max_epochs=30"], None)
    assert again is not None
    assert (again.verdict, again.champion, again.reasons) == ("keep", 2, [unchanged.REFRESHED])


def test_where_the_refresh_fails_what_was_promoted_serves(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ContractError("the champion has no recipe")

    monkeypatch.setattr("flows.refresh.apply_recipe", fail)
    outcome = run(overrides=["trainer.max_epochs=30"])
    assert (outcome["verdict"], outcome["champion"], champion(promoted)) == ("promote", 2, 2)
    refreshed = outcome["refreshed"]
    assert (refreshed["verdict"], refreshed["promoted"]) == ("keep", False)
    assert "has no recipe" in refreshed["reasons"][0]
    assert "`carousel refresh` tries again" in refreshed["reasons"][0]


def test_a_worse_challenger_is_not_promoted_and_not_judged_twice(promoted: Path) -> None:
    outcome = run(max_epochs=5)
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("keep", False, 1)
    again = unchanged.unchanged_outcome([], ["trainer.max_epochs=5"], None)
    assert again is not None
    assert (again.verdict, again.reasons, again.challenger_version) == ("keep", outcome["reasons"], 2)
    assert (
        unchanged.unchanged_outcome([], ["trainer.max_epochs=5", "gate.min_gain=0.001"], None) is None
    )  # another gate parameter needs a new verdict


def test_a_dry_run_promotes_nothing(promoted: Path) -> None:
    outcome = run(max_epochs=30, gate_mode="dry_run")
    assert (outcome["verdict"], outcome["promoted"], outcome["champion"]) == ("promote", False, 1)


def test_a_second_run_is_refused_with_the_holder_of_the_lock(promoted: Path) -> None:
    with (
        exclusive_lock(promoted / ".carousel/retrain.lock", "a retrain"),
        pytest.raises(BusyError, match=r"since .*pid \d+"),
    ):
        run()


def test_a_failed_stage_reports_its_message_and_keeps_the_champion(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL_AT", "finetune")
    with pytest.raises(StageError, match=r"^finetune: expected 3 rows, came 2$"):
        run(max_epochs=30)
    assert champion(promoted) == 1


@pytest.mark.slow
def test_a_missing_data_remote_is_a_note_not_a_fault(promoted: Path) -> None:
    remote = promoted / ".carousel/remote"
    shutil.rmtree(remote)
    remote.write_text("no folder")
    outcome = run(max_epochs=30)
    assert outcome["promoted"]
    assert "not sent to the DVC remote" in outcome["notes"][0]


def test_what_the_doctor_refuses_is_refused_before_the_first_stage(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a checkout of another user
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    before = (promoted / "run/params.yaml").stat().st_mtime_ns
    with pytest.raises(ContractError, match=r"^git: git refuses .*safe\.directory"):
        run(max_epochs=30)
    assert (promoted / "run/params.yaml").stat().st_mtime_ns == before


def test_a_vanished_registry_is_refused_before_the_first_stage(promoted: Path) -> None:
    (promoted / ".carousel/mlflow.db").unlink()
    with pytest.raises(CarouselError, match=r"the ledger says that version 1 .*restore the registry"):
        run(bootstrap=True)
    assert not (promoted / ".carousel/mlflow.db").exists()
