"""Flows for hyperparameter search and the learning curve; models are compared on validation data only."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed
from pydantic import Field

from components.contracts import Record
from components.errors import BusyError
from components.io import sha256_bytes
from components.recommenders.factory import PARTS, compared_names
from components.tuning import overlay, report, search, winner
from components.tuning.curve import Point, point
from components.tuning.measure import read_tuning_data
from components.tuning.winner import BestTrial
from flows import artifacts, passes, terminal
from flows.tasks import call_task, in_flow_run, log, with_retries
from flows.workspace import Workspace, locked_workspace

STAGES = ("resolve", "ingest", "split", "pretrain", "encode")  # inputs of a trial
CURVE = Path("reports/curve")
Models = Annotated[list[Literal[*PARTS]], Field(min_length=1)]
Trials = Annotated[int, Field(ge=1, le=1000)]
Minutes = Annotated[float, Field(gt=0)]


class SearchOutcome(Record):
    """The result of `carousel tune`."""

    models: list[BestTrial]
    overlay: str | None  # overlay that later runs start from; None where no trial was better
    run: str  # MLflow run of the search
    complete: bool  # False: tune.max_minutes was reached; the next call continues
    seconds: float


@flow(name="tune", flow_run_name="tune")
def tune(
    models: Models | None = None,
    trials: Trials | None = None,
    max_minutes: Minutes | None = None,
    as_of: datetime | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
) -> Any:
    """Search the parameters of tune.space; later retrains start from the best.

    Args:
        models: tune.models, searched one by one; empty: as in params.yaml.
        trials: tune.trials per model; empty: as in params.yaml.
        max_minutes: tune.max_minutes of this run; a later run continues; empty: as in params.yaml.
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        overrides: Further values, such as tune.max_epochs=4.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    form = {"tune.models": models, "tune.trials": trials, "tune.max_minutes": max_minutes}
    lines = [*(overrides or []), *(f"{k}={json.dumps(v)}" for k, v in form.items() if v is not None)]
    try:
        with locked_workspace(
            overlays or [], lines, as_of, "a search", *passes.deployed_run_info(), resume=True
        ) as workspace:
            passes.run_stages(workspace, STAGES)
            return completed_state(workspace, run_search(workspace))
    except BusyError as busy:
        return passes.cancel_when_busy(busy)


def run_search(workspace: Workspace) -> SearchOutcome:
    """Run the trials in rounds over all models, until they are done or tune.max_minutes is reached."""
    started, folder = time.monotonic(), trials_folder(workspace)
    section = workspace.params.tune
    run = begin(workspace)
    rounds = [(number, model) for number in range(section.trials + 1) for model in section.models]
    progress, late = artifacts.StageProgress(len(rounds)), False
    for number, model in rounds:
        late = number > 0 and time.monotonic() - started > section.max_minutes * 60
        if late:
            log.warning("tune.max_minutes %g reached; run `carousel tune` again to continue", section.max_minutes)
            break
        trial = call_task(with_retries(run_trial, workspace), workspace, model, number, run)
        log.info(
            "[%d/%d] %s",
            progress.done + 1,
            len(rounds),
            search.format_trial(trial, workspace.params.evaluation.primary),
        )
        progress.advance()
    found = [winner.judge(folder, model, workspace.params) for model in section.models]
    winners = {row.model: row for row in found if row.wins}
    file = None
    if winners:
        values = {name: value for row in winners.values() for name, value in row.values.items()}
        stories = {model: row.story(workspace.params.evaluation.primary, run) for model, row in winners.items()}
        file = overlay.write(workspace.shop, workspace.params.data.as_of, values, stories)
    workspace.registry().runs.end(
        run, {row.model: "better" if row.wins else "not better" for row in found}, [file] if file else []
    )
    return SearchOutcome(
        models=found,
        overlay=str(file) if file else None,
        run=run,
        complete=not late,
        seconds=round(time.monotonic() - started, 1),
    )


@task(task_run_name="{model} {number}", cache_policy=NO_CACHE)
def run_trial(workspace: Workspace, model: str, number: int, run: str) -> Any:
    """Measure one trial, or read its stored result, and record it in MLflow under the run of the search."""
    trial = search.run_trial(workspace.root, trials_folder(workspace), workspace.params, model, number)
    primary = workspace.params.evaluation.primary
    curves = {"epoch/ndcg_at_10": trial.epochs, f"validation/{primary}": [] if trial.value is None else [trial.value]}
    workspace.registry().runs.record_child(run, f"{model} {number}", trial.values, curves, trial.state)
    return Completed(message=search.format_trial(trial, primary), data=trial) if in_flow_run() else trial


def begin(workspace: Workspace) -> str:
    """Return the MLflow run of this search; created unless an earlier call did."""
    keys = [search.key_of(workspace.root, workspace.params, model) for model in workspace.params.tune.models]
    search_key = sha256_bytes("".join(keys).encode())
    return workspace.registry().runs.begin("tune", {"search": search_key, "release": workspace.params.release.name})


def trials_folder(workspace: Workspace) -> Path:
    """Return the folder of the shop's trials."""
    return workspace.shop / "tune"


def completed_state(workspace: Workspace, result: SearchOutcome) -> Any:
    """Return the result as a dict; in a flow run also put its table on the run page."""
    content = result.model_dump(mode="json")
    if not in_flow_run():
        return content
    create_table_artifact(report.best_trials_table(result.models), key="tune", description="Best trials on validation")
    better = [row.model for row in result.models if row.wins]
    message = f"better: {', '.join(better)}" if better else "no trial is better than the present values"
    return Completed(message=message, data=content)


@flow(name="curve", flow_run_name="curve")
def curve(as_of: datetime | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None) -> Any:
    """Fit the models on tune.label_shares of the training users; write reports/curve.

    Args:
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        overrides: Further values, such as tune.label_shares=[0.01,0.1,1].
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    try:
        with locked_workspace(
            overlays or [], overrides or [], as_of, "a learning curve", *passes.deployed_run_info(), resume=True
        ) as workspace:
            passes.run_stages(workspace, STAGES)
            points: list[Point] = []
            section = workspace.params.evaluation
            models = [m for m in compared_names(workspace.params) if m != "hybrid"]  # it learns on validation data
            for share in sorted(workspace.params.tune.label_shares):
                for model in models:
                    points.append(call_task(run_point, workspace, model, share))
                    log.info("%s at %g %%: %.4f", model, 100 * share, points[-1].value)
            report.write_curve(workspace.root / CURVE, points, section.primary, workspace.params.data.simulated)
    except BusyError as busy:
        return passes.cancel_when_busy(busy)
    if in_flow_run():
        create_table_artifact(report.curve_table(points), key="curve", description="Learning curve on validation")
    return {"points": [p.model_dump(mode="json") for p in points], "report": str(workspace.root / CURVE)}


@task(task_run_name="{model} at {share}", cache_policy=NO_CACHE)
def run_point(workspace: Workspace, model: str, share: float) -> Point:
    """Measure one model at one share of the labels."""
    return point(read_tuning_data(workspace.root, workspace.params), model, share, workspace.params)


def show(done: dict[str, Any]) -> None:
    """Print the result of a search on standard output."""
    result = SearchOutcome.model_validate(done)
    rows = report.best_trials_table(result.models)
    terminal.table([tuple(rows[0])[:-1], *(tuple(row.values())[:-1] for row in rows)])
    terminal.table([(f"best {row['model']}", row["changes"] or "the present values") for row in rows])
    terminal.table(
        [
            ("next retrain", f"starts from {result.overlay}" if result.overlay else "starts from the present values"),
            ("MLflow run", result.run),
            ("search", "complete" if result.complete else "tune.max_minutes reached; run it again to continue"),
        ]
    )


def show_curve(done: dict[str, Any]) -> None:
    """Print the learning curve on standard output."""
    rows = report.curve_table([Point.model_validate(row) for row in done["points"]])
    terminal.table([tuple(rows[0]), *(tuple(row.values()) for row in rows), ("report", done["report"])])


SHOWN = {"tune": show, "curve": show_curve}
