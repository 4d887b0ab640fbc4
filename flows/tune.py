"""A search over the knobs of each model, and the learning curve: trial by trial, judged on validation alone."""

from __future__ import annotations

import json
import time
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed
from pydantic import Field

from components.contracts import Record
from components.errors import BusyError
from components.params import PartName
from components.tuning import overlay, report, search, winner
from components.tuning.curve import Point, point
from components.tuning.measure import read_world
from components.tuning.winner import Found
from flows import artifacts, retrain, terminal
from flows.tasks import bounded, log, recorded, step
from flows.workspace import Place, working

STAGES = ("resolve", "ingest", "split", "pretrain", "encode")  # what a trial stands on
CURVE = Path("reports/curve")
Models = Annotated[list[PartName], Field(min_length=1)]
Trials = Annotated[int, Field(ge=1, le=1000)]
Minutes = Annotated[float, Field(gt=0)]


class Searched(Record):
    """The end of `carousel tune`."""

    models: list[Found]
    overlay: str | None  # the file that the next runs start from; None where no trial was better
    run: str  # MLflow run of the search
    complete: bool  # False: tune.max_minutes was over; the next call goes on
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
    """Search over the knobs of tune.space; what beats the present ones is where the next retrain starts.

    Args:
        models: tune.models, searched one by one; empty: as in params.yaml.
        trials: tune.trials per model; empty: as in params.yaml.
        max_minutes: tune.max_minutes of this run; a later one goes on; empty: as in params.yaml.
        as_of: See the shop as of then; empty: now, and the simulated shop as in params.yaml.
        overrides: Further values, such as tune.max_epochs=4.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    form = {"tune.models": models, "tune.trials": trials, "tune.max_minutes": max_minutes}
    lines = [*(overrides or []), *(f"{k}={json.dumps(v)}" for k, v in form.items() if v is not None)]
    try:
        with working(overlays or [], lines, as_of, "a search", *retrain.deployed_run()) as place:
            retrain.run_stages(place, STAGES)
            return ended(place, searched(place))
    except BusyError as busy:
        return retrain.turned_away(busy)


def searched(place: Place) -> Searched:
    """Run the trials, a round of all models after the other, until they are done or time is over."""
    started, folder = time.monotonic(), trials_folder(place)
    section = place.params.tune
    run = begin(place)
    rounds = [(number, model) for number in range(section.trials + 1) for model in section.models]
    progress, late = artifacts.Progress(len(rounds)), False
    for number, model in rounds:
        late = number > 0 and time.monotonic() - started > section.max_minutes * 60
        if late:
            log.warning("tune.max_minutes %g is over; `carousel tune` goes on from here", section.max_minutes)
            break
        trial = step(bounded(run_trial, place), place, model, number, run)
        log.info("[%d/%d] %s", progress.done + 1, len(rounds), search.told(trial, place.params.evaluation.primary))
        progress.step()
    found = [winner.judge(folder, model, place.params) for model in section.models]
    winners = {row.model: row for row in found if row.wins}
    file = None
    if winners:
        values = {name: value for row in winners.values() for name, value in row.values.items()}
        stories = {model: row.story(place.params.evaluation.primary, run) for model, row in winners.items()}
        file = overlay.write(place.shop, place.params.data.as_of, values, stories)
    place.registry().end(
        run, {row.model: "better" if row.wins else "not better" for row in found}, [file] if file else []
    )
    return Searched(
        models=found,
        overlay=str(file) if file else None,
        run=run,
        complete=not late,
        seconds=round(time.monotonic() - started, 1),
    )


@task(task_run_name="{model} {number}", cache_policy=NO_CACHE)
def run_trial(place: Place, model: str, number: int, run: str) -> Any:
    """Measure one trial, or read what was measured, and record it in MLflow below the run of the search."""
    trial = search.run_trial(place.root, trials_folder(place), place.params, model, number)
    primary = place.params.evaluation.primary
    curves = {"epoch/ndcg_at_10": trial.epochs, f"validation/{primary}": [] if trial.value is None else [trial.value]}
    place.registry().nest(run, f"{model} {number}", trial.values, curves, trial.state)
    return Completed(message=search.told(trial, primary), data=trial) if recorded() else trial


def begin(place: Place) -> str:
    """Return the MLflow run of this very search, begun now unless an earlier call did."""
    keys = [search.key_of(place.root, place.params, model) for model in place.params.tune.models]
    mark = sha256("".join(keys).encode()).hexdigest()
    return place.registry().begin("tune", {"search": mark, "release": place.params.release.name})


def trials_folder(place: Place) -> Path:
    """Return where the trials of the shop are kept."""
    return place.shop / "tune"


def ended(place: Place, result: Searched) -> Any:
    """Return the result as a dict; its table on the run page where Prefect records the run."""
    content = result.model_dump(mode="json")
    if not recorded():
        return content
    create_table_artifact(report.found_table(result.models), key="tune", description="Best trials on validation")
    better = [row.model for row in result.models if row.wins]
    said = f"better: {', '.join(better)}" if better else "no trial is better than the present knobs"
    return Completed(message=said, data=content)


@flow(name="curve", flow_run_name="curve")
def curve(as_of: datetime | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None) -> Any:
    """Fit the models on tune.label_shares of the training users; write reports/curve.

    Args:
        as_of: See the shop as of then; empty: now, and the simulated shop as in params.yaml.
        overrides: Further values, such as tune.label_shares=[0.01,0.1,1].
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    try:
        with working(overlays or [], overrides or [], as_of, "a learning curve", *retrain.deployed_run()) as place:
            retrain.run_stages(place, STAGES)
            points: list[Point] = []
            section = place.params.evaluation
            models = [m for m in (*section.baselines, *section.candidates) if m != "hybrid"]  # it learns on validation
            for share in sorted(place.params.tune.label_shares):
                for model in models:
                    points.append(step(run_point, place, model, share))
                    log.info("%s at %g %%: %.4f", model, 100 * share, points[-1].value)
            report.write_curve(place.root / CURVE, points, section.primary, place.params.data.simulated)
    except BusyError as busy:
        return retrain.turned_away(busy)
    if recorded():
        create_table_artifact(report.curve_table(points), key="curve", description="Learning curve on validation")
    return {"points": [p.model_dump(mode="json") for p in points], "report": str(place.root / CURVE)}


@task(task_run_name="{model} at {share}", cache_policy=NO_CACHE)
def run_point(place: Place, model: str, share: float) -> Point:
    """Measure one model at one share of the labels."""
    return point(read_world(place.root, place.params), model, share, place.params)


def show(done: dict[str, Any]) -> None:
    """Print what a search came to on standard output."""
    result = Searched.model_validate(done)
    rows = report.found_table(result.models)
    terminal.table([tuple(rows[0])[:-1], *(tuple(row.values())[:-1] for row in rows)])
    terminal.table([(f"best {row['model']}", row["changes"] or "the present knobs") for row in rows])
    terminal.table(
        [
            ("next retrain", f"starts from {result.overlay}" if result.overlay else "starts where this one did"),
            ("MLflow run", result.run),
            ("search", "complete" if result.complete else "tune.max_minutes was over; run it again to go on"),
        ]
    )


def show_curve(done: dict[str, Any]) -> None:
    """Print the learning curve on standard output."""
    rows = report.curve_table([Point.model_validate(row) for row in done["points"]])
    terminal.table([tuple(rows[0]), *(tuple(row.values()) for row in rows), ("report", done["report"])])


SHOWN = {"tune": show, "curve": show_curve}
