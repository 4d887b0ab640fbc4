"""What the flows share: stages in DVC's order, registration and decision, promotion, and the state of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed

from components.applications.record import APPLICATIONS
from components.contracts import Decision
from components.errors import BusyError, ReleaseError
from components.monitoring.snapshots import store_snapshot
from components.release import champion, latency, versioning
from components.release.candidates import CURVES_OF
from components.release.promotion import SHIPS
from components.release.training_runs import follow_training
from components.release.versioning import StageRun
from components.release.warm import warm_process
from components.release.warm_client import SOCKET
from flows import artifacts, history, tasks
from flows.outcome import STATES, Outcome, Pass, describe, process_start
from flows.scoring import record_outcomes
from flows.tasks import call_task, in_flow_run, with_retries
from flows.workspace import DRIFT, Workspace

BOARDS = {  # stage -> where it writes its curves while it trains
    "pretrain": Path("run/pretrain"),
    "finetune": Path("run/tensorboard"),
    "rank": Path("run/tensorboard/ranker"),
}


def run_pass(workspace: Workspace, bootstrap: bool = False) -> Pass:
    """Run all stages, register, decide, promote where the decision says so, and push the data."""
    notes: list[str] = []
    stages = run_stages(workspace, after_ingest=lambda: notes.extend(record_outcomes(workspace)))
    judged = time.time()
    version, decision = judge(workspace, bootstrap)
    spent = {"MLflow and gate": time.time() - judged}
    promoted = promote_decided(workspace, decision)
    if promoted:
        history.write_page(workspace)
    pushed = time.time()
    notes += filter(None, [call_task(tasks.push, workspace)])
    spent |= {"promotion": pushed - judged - spent["MLflow and gate"], "DVC push": time.time() - pushed}
    if in_flow_run():
        artifacts.publish(workspace, version, decision)
    return Pass(stages, version, decision, promoted, spent, notes)


@contextmanager
def warm_workspace(workspace: Workspace) -> Iterator[Workspace]:
    """Yield the workspace with the environment in which its stages are forked from one warm process.

    Within such a block it is the same process, so that two passes share one.
    """
    if SOCKET in workspace.env:
        yield workspace
        return
    with warm_process(workspace.root) as env:
        yield replace(workspace, env=workspace.env | env)


def preload(workspace: Workspace) -> Thread:
    """Open the registry and import what the decision needs in a thread, while the stages run in their own processes."""

    def load() -> None:
        with suppress(ReleaseError):  # the next call to the registry raises the same error
            workspace.registry().prepare()
        latency.preload()

    thread = Thread(target=load, name="preload", daemon=True)
    thread.start()
    return thread


def run_stages(
    workspace: Workspace, only: tuple[str, ...] = (), after_ingest: Callable[[], object] | None = None
) -> list[StageRun]:
    """Reproduce the model's stages in DVC's order; fetch the champion before the first stage that compares with it."""
    for line in workspace.tuned:
        tasks.log.info("starts from tuned values: %s", line)
    order = [name for name in versioning.stage_order(workspace.root) if name not in APPLICATIONS]
    names = [name for name in order if not only or name in only]
    progress = artifacts.StageProgress(len(names))
    runs: list[StageRun] = []
    synced, ready = workspace.champion is not None, preload(workspace)  # a recipe's champion was fetched for it
    with warm_workspace(workspace) as warm:
        for name in names:
            if name in champion.CHAMPION_STAGES and not synced:
                ready.join()
                call_task(with_retries(tasks.sync_champion, workspace), workspace)
                synced = True
            check = not any(run.ran for run in runs)  # after a stage that ran, the next ones have changed
            with show_curves(workspace, name):
                runs.append(call_task(with_retries(tasks.run_stage, workspace), warm, name, check))
            tasks.log.info("[%d/%d] %s: %s", len(runs), len(names), name, describe(runs[-1]))
            progress.advance()
            if name == "drift":
                store_snapshot(workspace.settings.home, workspace.params.release.name, workspace.root / DRIFT.parent)
            if name == "ingest" and after_ingest is not None:
                after_ingest()
    return runs


def show_curves(workspace: Workspace, stage: str) -> AbstractContextManager[None]:
    """Return a context in which MLflow shows the curves of the stage; one without effect where it has none."""
    if stage not in BOARDS:
        return nullcontext()
    return follow_training(workspace.registry().runs.training, CURVES_OF[stage], workspace.root / BOARDS[stage])


def judge(workspace: Workspace, bootstrap: bool) -> tuple[int | None, Decision | None]:
    """Register and decide; return version and decision (None where the champion is this bundle or the gate is off)."""
    serving = champion.find_own_champion(workspace.root, workspace.registry())
    if serving is not None:
        return serving.version, None
    version = call_task(with_retries(tasks.register, workspace), workspace)
    if workspace.params.gate.mode == "disabled":
        return version, None
    return version, call_task(tasks.decide, workspace, version, call_task(tasks.measure_latency, workspace), bootstrap)


def promote_decided(workspace: Workspace, decision: Decision | None) -> bool:
    """Promote where the decision says so; return whether it did."""
    if decision is None or decision.verdict not in SHIPS.values() or decision.mode != "enabled":
        return False
    call_task(tasks.promote, workspace)
    return True


def seconds_since(started: float, workspace: Workspace) -> float:
    """Return the seconds of a run: of a deployed one from its start, else from that of the process."""
    return time.time() - (started if workspace.deployed else process_start())


def completed_state(result: Outcome) -> Any:
    """Return the outcome as a dict; in a flow run, in a state that is named after the verdict."""
    content = result.model_dump(mode="json")
    if not in_flow_run():
        return content
    return Completed(name=STATES[result.verdict, result.promoted], message=" ".join(result.reasons), data=content)


def cancel_when_busy(busy: BusyError) -> Any:
    """Return Cancelled for a deployed run while another run holds the lock; outside a deployment, raise the error."""
    if not deployment.get_id():
        raise busy
    return Cancelled(message=str(busy))


def deployed_run_info() -> tuple[str | None, datetime | None]:
    """Return id and scheduled start of a deployed flow run; (None, None) for a run from the command line."""
    deployment_id, run_id = deployment.get_id(), flow_run.get_id()
    if not deployment_id or not run_id:
        return None, None
    return run_id, newest_due_start(UUID(deployment_id), UUID(run_id)) or flow_run.get_scheduled_start_time()


def newest_due_start(of: UUID, own: UUID) -> datetime | None:
    """Return the newest scheduled start of the deployment that is due: after missed nights, the last one counts.

    None for a run that no schedule started.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters, sorting

    due = filters.FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC)})
    with get_client(sync_client=True) as client:
        if not client.read_flow_run(own).auto_scheduled:
            return None
        runs = client.read_flow_runs(
            flow_run_filter=filters.FlowRunFilter(expected_start_time=due),
            deployment_filter=filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[of])),
            sort=sorting.FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=50,
        )
    return max(
        (run.expected_start_time for run in runs if run.auto_scheduled and run.expected_start_time), default=None
    )
