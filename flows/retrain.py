"""The main flow: snapshot -> ... -> verdict -> promotion."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal

from components.release.versioning import StageRun
from prefect import flow
from prefect.runtime import deployment, flow_run
from pydantic import Field

from components.contracts import Decision
from components.release import champion, versioning
from components.release.lock import held
from flows import tasks
from flows.outcome import outcome, process_start
from flows.place import Place, open_place

AsOf = Annotated[datetime | None, Field(description="See the shop as of then; empty: now, or as in params.yaml")]
Epochs = Annotated[int | None, Field(ge=1, le=200, description="trainer.max_epochs; empty: as in params.yaml")]
Rate = Annotated[float | None, Field(gt=0, le=1, description="trainer.learning_rate; empty: as in params.yaml")]
Mode = Annotated[
    Literal["enabled", "dry_run", "disabled"] | None, Field(description="gate.mode; dry_run: a verdict, no promotion")
]
Lines = Annotated[list[str] | None, Field(description="Further values, such as models.ease.l2=300")]
Files = Annotated[list[str] | None, Field(description="Overlay files, such as examples/online_retail/params.yaml")]
Bootstrap = Annotated[bool, Field(description="Promote a first champion, where there is none to compare with")]


@flow(name="retrain", flow_run_name="retrain")
def retrain(
    as_of: AsOf = None,
    max_epochs: Epochs = None,
    learning_rate: Rate = None,
    gate_mode: Mode = None,
    overrides: Lines = None,
    overlays: Files = None,
    bootstrap: Bootstrap = False,
) -> dict[str, Any]:
    """Retrain, judge, and promote what is better; return the Outcome as a dict."""
    started = time.time()
    form = {"trainer.max_epochs": max_epochs, "trainer.learning_rate": learning_rate, "gate.mode": gate_mode}
    lines = [*(overrides or []), *(f"{k}={v}" for k, v in form.items() if v is not None)]
    place = open_place(overlays or [], lines, as_of, *deployed_run())
    with held(place.settings.home / "retrain.lock", "a retrain"):
        stages = run_stages(place)
        version, decision, seconds = judge(place, bootstrap)
        promoted = decision is not None and decision.verdict == "promote" and decision.mode == "enabled"
        if promoted:
            tasks.promote(place)
        tasks.publish(place, decision)
    began = started if place.deployed else process_start()
    result = outcome(place, time.time() - began, stages, version, decision, promoted, {"MLflow and gate": seconds})
    return result.model_dump(mode="json")


def run_stages(place: Place, only: tuple[str, ...] = ()) -> list[StageRun]:
    """Bring the stages up to date in DVC's order, the champion fetched before the first that compares with it."""
    runs: list[StageRun] = []
    bounds = place.params.flows
    synced = False
    for name in versioning.stage_order(place.root):
        if only and name not in only:
            continue
        if name in champion.COMPARING and not synced:
            tasks.sync_champion(place)
            synced = True
        task = tasks.run_stage.with_options(retries=bounds.retries, retry_delay_seconds=bounds.retry_delay_s)
        runs.append(task(place, name))
    return runs


def judge(place: Place, bootstrap: bool) -> tuple[int | None, Decision | None, float]:
    """Register and decide; return version, decision and seconds. No decision where the champion is this very bundle."""
    started = time.time()
    serving = champion.serving_here(place.root, place.registry())
    if serving is not None:
        return serving.version, None, time.time() - started
    version = tasks.register(place)
    if place.params.gate.mode == "disabled":
        return version, None, time.time() - started
    return version, tasks.decide(place, version, bootstrap), time.time() - started


def deployed_run() -> tuple[str | None, datetime | None]:
    """Return id and scheduled start of a deployed flow run; nothing for a run from the command line."""
    if not deployment.get_id():
        return None, None
    return flow_run.get_id(), flow_run.get_scheduled_start_time()
