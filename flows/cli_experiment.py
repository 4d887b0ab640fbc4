"""`carousel experiment VERB`: A/B tests between champion and challenger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import Files, Json, Sets

experiments = typer.Typer(help="A/B tests between champion and challenger on the live service")


@experiments.command("start", epilog="Example: carousel experiment start spring --share 0.2")
def experiment_start(
    name: str,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Share of users in the experiment")] = 1.0,
    metric: Annotated[str, typer.Option(help="conversion, clicks or value, per user")] = "conversion",
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Serve half of a share of the users by the challenger; the service follows within a second."""
    workspace = startup.open_workspace(files, sets)
    from flows import experiment, terminal

    begun = experiment.start(workspace, name, share, experiment.metric_of(metric), experiment.now())
    terminal.show(begun.model_dump(mode="json"), json)


@experiments.command("status", epilog="Example: carousel experiment status --json")
def experiment_status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show the result so far; its intervals are valid at every look."""
    _experiment(sets, files, json, end=False)


@experiments.command("stop", epilog="Example: carousel experiment stop")
def experiment_stop(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """End the experiment and store its decision; the gate does not promote a model that was worse."""
    _experiment(sets, files, json, end=True)


def _experiment(sets: list[str] | None, files: list[Path] | None, json: bool, end: bool) -> None:
    """Show the decision. Exit codes: 0 better, 2 worse or no difference shown, 3 otherwise."""
    workspace = startup.open_workspace(files, sets)
    from flows import experiment, terminal

    now = experiment.now()
    decision, drawn = (experiment.stop(workspace, now), None) if end else experiment.status(workspace, now)
    if json:
        terminal.show(decision.model_dump(mode="json"), True)
    else:
        experiment.show(decision, drawn)
    raise typer.Exit({"better": 0, "worse": 2, "no difference shown": 2}.get(decision.verdict, 3))
