"""The main flow: snapshot -> ... -> verdict -> promotion."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from components.errors import BusyError
from components.recommenders.factory import MODELS
from flows import tasks
from flows.outcome import build_outcome
from flows.passes import cancel_when_busy, completed_state, deployed_run_info, run_pass, seconds_since
from flows.tasks import call_task, with_retries
from flows.workspace import locked_workspace

Epochs = Annotated[int, Field(ge=1, le=200)]
Rate = Annotated[float, Field(gt=0, le=1)]
Candidates = Annotated[list[Literal[*MODELS]], Field(min_length=1)]
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
            done = run_pass(workspace, bootstrap)
            return completed_state(build_outcome(workspace, seconds_since(started, workspace), done))
    except BusyError as busy:
        return cancel_when_busy(busy)
