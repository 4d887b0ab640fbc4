"""The main flow: snapshot -> ... -> verdict -> promotion."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from threading import Thread
from typing import Annotated, Any, Literal
from uuid import UUID

from prefect import flow
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed
from pydantic import Field

from components.contracts import Decision
from components.errors import BusyError, ReleaseError
from components.params import ModelName
from components.release import champion, latency, versioning
from components.release.versioning import StageRun
from flows import artifacts, tasks
from flows.outcome import STATES, Outcome, outcome, process_start, told
from flows.tasks import bounded, recorded, step
from flows.workspace import Place, working

Epochs = Annotated[int, Field(ge=1, le=200)]
Rate = Annotated[float, Field(gt=0, le=1)]
Candidates = Annotated[list[ModelName], Field(min_length=1)]
Mode = Literal["enabled", "dry_run", "disabled"]


@flow(name="retrain", flow_run_name="retrain")
def retrain(
    as_of: datetime | None = None,
    max_epochs: Epochs | None = None,
    learning_rate: Rate | None = None,
    candidates: Candidates | None = None,
    gate_mode: Mode | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
    bootstrap: bool = False,
    untuned: bool = False,
) -> Any:
    """Retrain, judge, and promote what is better; return the Outcome as a dict.

    Args:
        as_of: See the shop as of then; empty: now, and the simulated shop as in params.yaml.
        max_epochs: trainer.max_epochs, passes over the training sequences; empty: as in params.yaml.
        learning_rate: trainer.learning_rate; empty: as in params.yaml.
        candidates: evaluation.candidates, the models of which the best is the challenger; empty: as in params.yaml.
        gate_mode: gate.mode; dry_run takes the verdict and promotes nothing; empty: as in params.yaml.
        overrides: Further values, such as models.ease.l2=300.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
        bootstrap: Promote a first champion, where there is none to compare with.
        untuned: Leave out what `carousel tune` found for the shop.
    """
    started = time.time()
    form: dict[str, Any] = {"trainer.max_epochs": max_epochs, "trainer.learning_rate": learning_rate}
    form |= {"evaluation.candidates": candidates, "gate.mode": gate_mode}
    lines = [*(overrides or []), *(f"{k}={json.dumps(v)}" for k, v in form.items() if v is not None)]
    try:
        with working(overlays or [], lines, as_of, "a retrain", *deployed_run(), untuned) as place:
            stages = run_stages(place)
            judged = time.time()
            version, decision = judge(place, bootstrap)
            spent = {"MLflow and gate": time.time() - judged}
            promoted = _promote(place, decision)
            pushed = time.time()
            note = step(tasks.push, place)
            spent |= {"promotion": pushed - judged - spent["MLflow and gate"], "DVC push": time.time() - pushed}
            if recorded():
                artifacts.publish(place, version, decision)
            seconds = time.time() - (started if place.deployed else process_start())
            return ended(outcome(place, seconds, stages, version, decision, promoted, spent, [note] if note else []))
    except BusyError as busy:
        return turned_away(busy)


def warm(place: Place) -> Thread:
    """Open the registry, and load what the verdict needs, beside the stages, which are processes of their own."""

    def load() -> None:
        with suppress(ReleaseError):  # whoever asks the registry next gets the same answer, and can raise it
            place.registry().prepare()
        latency.preload()

    thread = Thread(target=load, name="warm", daemon=True)
    thread.start()
    return thread


def run_stages(place: Place, only: tuple[str, ...] = ()) -> list[StageRun]:
    """Bring the stages up to date in DVC's order, the champion fetched before the first that compares with it."""
    for line in place.tuned:
        tasks.log.info("starts from what a search found: %s", line)
    names = [name for name in versioning.stage_order(place.root) if not only or name in only]
    progress = artifacts.Progress(len(names))
    runs: list[StageRun] = []
    synced, ready = False, warm(place)
    for name in names:
        if name in champion.COMPARING and not synced:
            ready.join()
            step(bounded(tasks.sync_champion, place), place)
            synced = True
        runs.append(step(bounded(tasks.run_stage, place), place, name))
        tasks.log.info("[%d/%d] %s: %s", len(runs), len(names), name, told(runs[-1]))
        progress.step()
    return runs


def judge(place: Place, bootstrap: bool) -> tuple[int | None, Decision | None]:
    """Register and decide; return version and decision: none where the champion is this very bundle."""
    serving = champion.serving_here(place.root, place.registry())
    if serving is not None:
        return serving.version, None
    version = step(bounded(tasks.register, place), place)
    if place.params.gate.mode == "disabled":
        return version, None
    return version, step(tasks.decide, place, version, step(tasks.measure_latency, place), bootstrap)


def _promote(place: Place, decision: Decision | None) -> bool:
    if decision is None or decision.verdict != "promote" or decision.mode != "enabled":
        return False
    step(tasks.promote, place)
    return True


def ended(result: Outcome) -> Any:
    """Return the outcome as a dict, under a state that says the verdict where Prefect records the run."""
    content = result.model_dump(mode="json")
    if not recorded():
        return content
    return Completed(name=STATES[result.verdict, result.promoted], message=" ".join(result.reasons), data=content)


def turned_away(busy: BusyError) -> Any:
    """Return the state of a deployed run that found another one at work; anywhere else, raise what was found."""
    if not deployment.get_id():
        raise busy
    return Cancelled(message=str(busy))


def deployed_run() -> tuple[str | None, datetime | None]:
    """Return id and scheduled start of a deployed flow run; nothing for a run from the command line."""
    of, own = deployment.get_id(), flow_run.get_id()
    if not of or not own:
        return None, None
    return own, newest_due(UUID(of), UUID(own)) or flow_run.get_scheduled_start_time()


def newest_due(of: UUID, own: UUID) -> datetime | None:
    """Return the newest scheduled start of the deployment that is due: after missed nights, the last of them counts.

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
