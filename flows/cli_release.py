"""`carousel decide`, `promote`, `rollback`, `serve`, `reproduce`, `diff`, `tag`: one call each, no flow run."""

from __future__ import annotations

from typing import Annotated

import typer

from flows import startup
from flows.options import Bootstrap, DecisionFile, Files, Json, Sets


def decide(sets: Sets = None, files: Files = None, json: Json = False, bootstrap: Bootstrap = False) -> None:
    """Decide again on the reports of the last run, for example with another gate.min_gain."""
    startup.prepare()
    from flows import outcome, tasks, terminal
    from flows.workspace import locked_workspace

    with locked_workspace(startup.texts(files), sets or [], None, "a decision") as workspace:
        outcome.require_reports(workspace)
        version = tasks.register.fn(workspace)
        decision = tasks.decide.fn(workspace, version, tasks.measure_latency.fn(workspace), bootstrap)
    terminal.show(decision.model_dump(mode="json"), json)
    raise typer.Exit(outcome.CODES[decision.verdict])


def promote(
    decision: DecisionFile = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Move the champion alias according to a decision file; refuse a stale decision."""
    startup.prepare()
    from flows import terminal
    from flows.release import promote as flow

    terminal.show(flow.fn(str(decision) if decision else None, sets, startup.texts(files)), json)


def rollback(
    to: Annotated[int | None, typer.Option("--to", min=1, help="Version; default: the one that served before")] = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Move the champion alias back to the version that served before, by the ledger."""
    startup.prepare()
    from flows import terminal
    from flows.release import rollback as flow

    terminal.show(flow.fn(to, sets, startup.texts(files)), json)


def serve(sets: Sets = None, files: Files = None) -> None:
    """Serve the champion over HTTP and reload it when its alias moves."""
    workspace = startup.open_workspace(files, sets)
    from components.serving.http.app import serve as start

    start(workspace.settings, workspace.params, workspace.root / "data/snapshot")


def reproduce(version: int, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Rebuild a version in a clean workspace and compare its metrics; exit code 1 where they differ."""
    workspace = startup.open_workspace(files, sets)
    from components.release.reproduce import reproduce as rebuild
    from flows import terminal

    result = rebuild(version, workspace.registry(), workspace.settings, workspace.root)
    terminal.show(result.model_dump(mode="json", exclude=None if json else {"then", "now"}), json)
    raise typer.Exit(0 if result.equal else 1)


def diff(
    one: Annotated[int, typer.Argument(min=1, metavar="V1", help="Version")],
    other: Annotated[int, typer.Argument(min=1, metavar="V2", help="Version")],
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Compare the recipes of two versions: parameters, what was selected, code."""
    workspace = startup.open_workspace(files, sets)
    from components.release.recipe import describe_versions
    from flows import terminal

    text = describe_versions(workspace.registry(), one, other)
    if json:
        terminal.show({"equal": not text, "differences": text.splitlines()}, True)
    else:
        terminal.write(text or f"versions {one} and {other} have the same recipe")


def tag(
    versions: Annotated[list[int] | None, typer.Argument(min=1, metavar="[VERSION]...", help="Versions")] = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Make a Git tag NAME/vN for versions, by default for all: `dvc metrics diff` and `dvc get --rev` take it."""
    workspace = startup.open_workspace(files, sets)
    from components.release.version_tags import tag_version
    from flows import terminal

    registry = workspace.registry()
    names = [tag_version(workspace.root, registry, number) for number in versions or registry.digests()]
    if json:
        terminal.show({"tags": names}, True)
    else:
        terminal.write("\n".join(names) or "no version is registered yet")
