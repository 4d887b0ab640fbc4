"""`carousel experiment VERB`: A/B tests between champion and challenger; off-policy estimates; interleaving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import Files, Json, Sets

Alpha = Annotated[float, typer.Option(min=1e-6, max=0.5, help="1 - level of the intervals")]

experiments = typer.Typer(help="A/B tests on the live service, off-policy estimates, interleaving")


@experiments.command("start", epilog="Example: carousel experiment start spring --share 0.2")
def experiment_start(
    name: str,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Share of users in the experiment")] = 1.0,
    metric: Annotated[str, typer.Option(help="conversion, clicks, value or retention, per user")] = "conversion",
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


@experiments.command("off-policy", epilog="Example: carousel experiment off-policy log.parquet --cluster user_id")
def experiment_off_policy(
    log: Annotated[Path, typer.Argument(help="CSV, JSON Lines or Parquet; a row per logged decision")],
    reward: Annotated[str, typer.Option(help="Column: reward of the decision")] = "reward",
    propensity: Annotated[str, typer.Option(help="Column: its probability under the policy that logged it")] = (
        "propensity"
    ),
    target: Annotated[str, typer.Option(help="Column: its probability under the policy that is judged")] = (
        "target_propensity"
    ),
    cluster: Annotated[str | None, typer.Option(help="Column: such as the user; rewards within are dependent")] = None,
    predictions: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,COLUMN",
            help="A model's reward of the decision, and its mean under the policy that is judged",
        ),
    ] = None,
    alpha: Alpha = 0.05,
    json: Json = False,
) -> None:
    """Estimate the value of a policy from the log of another one: IPS, SNIPS, doubly robust with predictions.

    Exit codes: 0 better than the logging policy, 2 worse, 3 not decided.
    """
    from components.experiments.policy_log_file import LogColumns
    from flows import off_policy

    columns = LogColumns(reward, propensity, target, cluster, predictions)
    raise typer.Exit(off_policy.show_estimates(log, columns, alpha, json))


@experiments.command("interleave", epilog="Example: carousel experiment interleave one.parquet two.parquet --k 10")
def experiment_interleave(
    one: Annotated[Path, typer.Argument(help="Lists of one model, as `carousel export` writes them")],
    other: Annotated[Path, typer.Argument(help="Lists of the other one")],
    out: Annotated[Path | None, typer.Option(help="Write the merged lists to this Parquet file")] = None,
    clicks: Annotated[Path | None, typer.Option(help="Clicks on the merged lists: user_id, item_id")] = None,
    k: Annotated[int, typer.Option(min=1, help="Products of a merged list")] = 10,
    seed: Annotated[str, typer.Option(help="Of the draws; the same when lists are merged and clicks are judged")] = "1",
    alpha: Alpha = 0.05,
    json: Json = False,
) -> None:
    """Merge two models' lists by team draft; with clicks, say which model's products are preferred.

    Exit codes: 0 the second is preferred or nothing was judged, 2 the first, 3 not decided.
    """
    from flows import off_policy

    raise typer.Exit(off_policy.interleave(one, other, out, clicks, (k, seed, alpha), json))
