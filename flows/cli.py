"""`carousel VERB`: every verb is a flow, or one call. Exit codes: 0 done, 1 fault, 2 keep, 3 not enough evidence."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows import startup, storage_commands
from flows.cli_backtest import backtest
from flows.cli_experiment import experiments
from flows.options import All, AsOf, Bootstrap, DecisionFile, Files, Json, Reset, Sets, Untuned

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(experiments, name="experiment")


@app.command()
def retrain(
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    bootstrap: Bootstrap = False,
    untuned: Untuned = False,
) -> None:
    """Run the whole pipeline: snapshot, training, evaluation, verdict, promotion."""
    home = startup.prepare()
    from flows import outcome, server, terminal, unchanged

    overlays, lines = startup.texts(files), sets or []
    done = unchanged.unchanged_outcome(overlays, lines, as_of, untuned, bootstrap)
    if done is None:
        with server.temporary_server(home) as ready:
            from flows.retrain import retrain as flow
            from flows.tasks import unwrap

            run = flow if ready() else flow.fn
            result = run(overlays=overlays, overrides=lines, as_of=as_of, bootstrap=bootstrap, untuned=untuned)
            done = outcome.Outcome.model_validate(unwrap(result))
    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        outcome.show(done, Path.cwd())
    raise typer.Exit(done.code)


@app.command()
def refresh(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Fit the champion's recipe on the newest data, and ship it unless it is worse."""
    home = startup.prepare()
    from flows import outcome, server, terminal

    with server.temporary_server(home) as ready:
        from flows.refresh import refresh as flow
        from flows.tasks import unwrap

        run = flow if ready() else flow.fn
        done = outcome.Outcome.model_validate(
            unwrap(run(overlays=startup.texts(files), overrides=sets or [], as_of=as_of))
        )
    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        outcome.show(done, Path.cwd())
    raise typer.Exit(done.code)


@app.command()
def monitor(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Check data, drift and age; exit codes: 0 nothing, 2 unfit data, 4 a refresh is wanted, 5 a retrain is wanted."""
    home = startup.prepare()
    from flows import server, terminal

    with server.temporary_server(home) as ready:
        from flows.monitor import CODES, monitor
        from flows.tasks import unwrap

        report = unwrap((monitor if ready() else monitor.fn)(as_of, sets or [], startup.texts(files)))
    terminal.show(report if json else {name: report[name] for name in ("action", "reasons", "as_of", "notes")}, json)
    raise typer.Exit(CODES[report["action"]])


@app.command()
def tune(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False, reset: Reset = False) -> None:
    """Search for better parameters; the next retrain starts from the best on validation data."""
    home = startup.prepare()
    from flows import terminal
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], as_of, untuned=reset)
    if reset:
        from components.tuning import overlay

        terminal.show({"removed": overlay.remove(workspace.shop)}, json)
    else:
        _search(home, "tune", as_of, sets, files, json)


@app.command()
def curve(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Measure a learning curve: the models trained on 1, 10 and 100 % of the users -> reports/curve."""
    home = startup.prepare()
    from flows.workspace import open_workspace

    open_workspace(startup.texts(files), sets or [], as_of)  # report a wrong value before a server starts
    _search(home, "curve", as_of, sets, files, json)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def serve(sets: Sets = None, files: Files = None) -> None:
    """Serve the champion over HTTP and reload it when its alias moves."""
    startup.prepare()
    from components.serving.http.app import serve as start
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], None)
    start(workspace.settings, workspace.params, workspace.root / "data/snapshot")


@app.command()
def reproduce(version: int, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Rebuild a version in a clean workspace and compare its metrics; exit code 1 where they differ."""
    startup.prepare()
    from components.release.reproduce import reproduce as rebuild
    from flows import terminal
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], None)
    result = rebuild(version, workspace.registry(), workspace.settings, workspace.root)
    terminal.show(result.model_dump(mode="json", exclude=None if json else {"then", "now"}), json)
    raise typer.Exit(0 if result.equal else 1)


@app.command()
def diff(
    one: Annotated[int, typer.Argument(min=1, metavar="V1", help="Version")],
    other: Annotated[int, typer.Argument(min=1, metavar="V2", help="Version")],
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Compare the recipes of two versions: parameters, what was selected, code."""
    startup.prepare()
    from components.release.recipe import describe_versions
    from flows import terminal
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], None)
    text = describe_versions(workspace.registry(), one, other)
    if json:
        terminal.show({"equal": not text, "differences": text.splitlines()}, True)
    else:
        terminal.write(text or f"versions {one} and {other} have the same recipe")


@app.command()
def doctor(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Check machine, params, sources, remote and registry before a run."""
    startup.prepare()
    from components.release.doctor import examine
    from components.settings import Settings
    from flows import terminal

    root = Path.cwd()
    found = examine(root, Settings().resolved(root), files or [], sets or [])
    ok = all(f.ok for f in found)
    if json:
        terminal.show({"ok": ok, "findings": [f.model_dump() for f in found]}, True)
    else:
        terminal.table([("ok" if f.ok else "NO", f.name, f.found, f.advice) for f in found])
    raise typer.Exit(0 if ok else 1)


@app.command()
def params(sets: Sets = None, files: Files = None, json: Json = False, every: All = False) -> None:
    """Show the parameters of a run in this checkout, with unit, effect, and where each is set."""
    startup.prepare()
    from flows.params import show
    from flows.workspace import open_workspace

    show(open_workspace(startup.texts(files), sets or [], None), every, json)


@app.command()
def status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show the champion, since when it serves, its data, the last verdict and drift."""
    startup.prepare()
    from components.release.status import read_status
    from flows import terminal
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], None)
    terminal.show(read_status(workspace.settings, workspace.params.release).model_dump(mode="json"), json)


@app.command()
def history(
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="Write a picture, too")] = None,
) -> None:
    """Show each deployment: the gain at the gate, what was expected a day, and what came true."""
    startup.prepare()
    from flows import history as record
    from flows import terminal
    from flows.workspace import open_workspace

    workspace = open_workspace(startup.texts(files), sets or [], as_of)
    found = record.read_history(workspace)[1]
    if plot is not None:
        record.save_plot(workspace, plot)
    if json:
        terminal.show({"deployments": [row.model_dump(mode="json") for row in found]}, True)
    else:
        terminal.show_columns(record.table_rows(found), "nothing has served yet")


app.command()(backtest)
app.command()(storage_commands.gc)
app.command()(storage_commands.keep)


def main() -> None:
    """Run the command line and exit with the code of the verb."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code."""
    return startup.run(app, arguments)


def _search(
    home: Path, name: str, as_of: datetime | None, sets: list[str] | None, files: list[Path] | None, json: bool
) -> None:
    """Run a flow of flows/tune.py, recorded in Prefect where a server answers, and print the result."""
    from flows import server, terminal

    with server.temporary_server(home) as ready:
        from flows import tune as search
        from flows.tasks import unwrap

        flow = getattr(search, name)
        done = unwrap((flow if ready() else flow.fn)(overlays=startup.texts(files), overrides=sets or [], as_of=as_of))
    terminal.show(done, True) if json else search.SHOWN[name](done)


if __name__ == "__main__":
    main()
