"""The main flow: snapshot -> ... -> verdict -> promotion."""

from __future__ import annotations

import json
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from components.errors import BusyError, CarouselError
from components.recommenders.factory import MODELS
from flows import tasks, unchanged
from flows.applications import run_applications
from flows.history import PAGE
from flows.outcome import Pass, build_outcome
from flows.passes import (
    cancel_when_busy,
    completed_state,
    deployed_run_info,
    run_pass,
    seconds_since,
    warm_workspace,
)
from flows.refresh import Mode, refresh_champion
from flows.tasks import call_task, with_retries
from flows.workspace import REPORT, Workspace, locked_workspace

Epochs = Annotated[int, Field(ge=1, le=200)]
Rate = Annotated[float, Field(gt=0, le=1)]
Candidates = Annotated[list[Literal[*MODELS]], Field(min_length=1)]


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
    """Retrain, compare with the champion, promote when better; return the Outcome as a dict.

    Args:
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        max_epochs: trainer.max_epochs, passes over the training sequences; empty: as in params.yaml.
        learning_rate: trainer.learning_rate; empty: as in params.yaml.
        candidates: evaluation.candidates, the models of which the best is the challenger; empty: as in params.yaml.
        gate_mode: gate.mode; dry_run decides without promoting; empty: as in params.yaml.
        overrides: Further values, such as models.ease.l2=300.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
        bootstrap: Promote a first champion when there is none yet.
        untuned: Ignore the values that `carousel tune` found for the shop.
    """
    started = time.time()
    form: dict[str, Any] = {"trainer.max_epochs": max_epochs, "trainer.learning_rate": learning_rate}
    form |= {"evaluation.candidates": candidates, "gate.mode": gate_mode}
    lines = [*(overrides or []), *(f"{k}={json.dumps(v)}" for k, v in form.items() if v is not None)]
    try:
        with locked_workspace(
            overlays or [], lines, as_of, "a retrain", *deployed_run_info(), untuned, True
        ) as workspace:
            call_task(with_retries(tasks.check_ready, workspace), workspace)
            refreshed, report = None, REPORT
            with warm_workspace(workspace) as warm:
                done = run_pass(warm, bootstrap)
                if done.promoted and done.decision is not None and not done.decision.bootstrap:
                    inputs, report = unchanged.read_inputs(workspace.root), keep_report(workspace.root)
                    refreshed = refresh_promoted(warm)
                    if refreshed.stages:  # it has replaced what the retrain left in the checkout
                        unchanged.write_refreshed(workspace, inputs)
                done = done.followed_by(*run_applications(warm))
            return completed_state(build_outcome(workspace, seconds_since(started, workspace), done, refreshed, report))
    except BusyError as busy:
        return cancel_when_busy(busy)


def refresh_promoted(workspace: Workspace) -> Pass:
    """Fit the recipe that has won on the newest data, judge and ship; after an error, the promoted version serves."""
    try:
        return refresh_champion(workspace)
    except CarouselError as error:
        tasks.log.warning("the recipe that has won was not refreshed: %s", error)
        return Pass(reason=f"not refreshed: {error}; `carousel refresh` tries again")


def keep_report(root: Path) -> Path:
    """Copy the reports of the retrain out of the way of the refresh; return the path of the evaluation's."""
    shutil.rmtree(root / unchanged.RETRAIN, ignore_errors=True)
    for report in (REPORT, PAGE):  # the first links to the second
        if (root / report).exists():
            shutil.copytree(root / report.parent, root / unchanged.RETRAIN / report.parent.name)
    return unchanged.REPORT_OF_RETRAIN
