"""`carousel VERB`: every verb is a flow, or one call. Exit codes: 0 done, 1 fault, 2 keep, 3 not enough evidence."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
experiments = typer.Typer(help="A/B tests between champion and challenger on the live service")
app.add_typer(experiments, name="experiment")
AsOf = Annotated[datetime | None, typer.Option("--as-of", help="See the shop as of then (UTC), such as 2011-06-01")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Set one value of params; repeatable")]
Bootstrap = Annotated[bool, typer.Option("--bootstrap", help="Promote a first champion where there is none")]
Untuned = Annotated[bool, typer.Option("--untuned", help="Leave out what `carousel tune` found for this shop")]
Reset = Annotated[bool, typer.Option("--reset", help="Forget what was found: the next retrain starts from params.yaml")]
Files = Annotated[list[Path] | None, typer.Option("--params", help="Overlay on params.yaml; repeatable")]


@app.command()
def retrain(
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    bootstrap: Bootstrap = False,
    untuned: Untuned = False,
) -> None:
    """Run the whole loop: snapshot, training, evaluation, verdict, promotion."""
    home = _prepare()
    from flows import outcome, server, terminal, unchanged

    overlays, lines = _texts(files), sets or []
    done = unchanged.kept(overlays, lines, as_of, untuned)
    if done is None:
        with server.beside(home) as ready:
            from flows.retrain import retrain as flow
            from flows.tasks import value

            run = flow if ready() else flow.fn
            result = run(overlays=overlays, overrides=lines, as_of=as_of, bootstrap=bootstrap, untuned=untuned)
            done = outcome.Outcome.model_validate(value(result))
    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        outcome.show(done, Path.cwd())
    raise typer.Exit(done.code)


@app.command()
def monitor(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Look for drift, stale data and missing volume, as of now."""
    home = _prepare()
    from flows import server, terminal

    with server.beside(home) as ready:
        from flows.monitor import monitor as flow
        from flows.tasks import value

        run = flow if ready() else flow.fn
        verdict = value(run(overlays=_texts(files), overrides=sets or [], as_of=as_of))
    terminal.show(verdict, json)


@app.command()
def tune(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False, reset: Reset = False) -> None:
    """Search over the knobs; what beats the present ones on validation is where the next retrain starts."""
    home = _prepare()
    from flows import terminal
    from flows.workspace import open_place

    place = open_place(_texts(files), sets or [], as_of, untuned=reset)
    if reset:
        from components.tuning import overlay

        terminal.show({"removed": overlay.remove(place.shop)}, json)
    else:
        _search(home, "tune", as_of, sets, files, json)


@app.command()
def curve(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Measure the models at 1, 10 and 100 % of the labels -> reports/curve."""
    home = _prepare()
    from flows.workspace import open_place

    open_place(_texts(files), sets or [], as_of)  # a wrong value is said before a server starts
    _search(home, "curve", as_of, sets, files, json)


@app.command()
def decide(sets: Sets = None, files: Files = None, json: Json = False, bootstrap: Bootstrap = False) -> None:
    """Take the verdict again on what the last run left here, such as with another gate.min_gain."""
    _prepare()
    from flows import outcome, tasks, terminal
    from flows.workspace import working

    with working(_texts(files), sets or [], None, "a decision") as place:
        outcome.need(place)
        version = tasks.register.fn(place)
        decision = tasks.decide.fn(place, version, tasks.measure_latency.fn(place), bootstrap)
    terminal.show(decision.model_dump(mode="json"), json)
    raise typer.Exit(outcome.CODES[decision.verdict])


@app.command()
def promote(
    decision: Annotated[Path | None, typer.Option("--decision", help="Decision file; default: the newest one")] = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Move the champion alias as a decision file says; a stale decision is refused."""
    _prepare()
    from flows import terminal
    from flows.release import promote as flow

    terminal.show(flow.fn(str(decision) if decision else None, sets, _texts(files)), json)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option("--to", min=1, help="Version; default: what served before")] = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Let serve again what served before, by the ledger."""
    _prepare()
    from flows import terminal
    from flows.release import rollback as flow

    terminal.show(flow.fn(to, sets, _texts(files)), json)


@app.command()
def serve(sets: Sets = None, files: Files = None) -> None:
    """Serve the champion over HTTP and follow its alias."""
    _prepare()
    from components.serving.http.app import serve as start
    from flows.workspace import open_place

    place = open_place(_texts(files), sets or [], None)
    start(place.settings, place.params, place.root / "data/snapshot")


@app.command()
def reproduce(version: int, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Rebuild a version in a clean workspace and compare its metrics; exit code 1 where they differ."""
    _prepare()
    from components.release.reproduce import reproduce as rebuild
    from flows import terminal
    from flows.workspace import open_place

    place = open_place(_texts(files), sets or [], None)
    result = rebuild(version, place.registry(), place.settings, place.root)
    terminal.show(result.model_dump(mode="json", exclude=None if json else {"then", "now"}), json)
    raise typer.Exit(0 if result.equal else 1)


@app.command()
def doctor(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Look at the machine, params, sources, remote and registry before anything is spent."""
    _prepare()
    from components.release.doctor import examine
    from components.settings import Settings
    from flows import terminal

    found = examine(Path.cwd(), Settings().resolved(Path.cwd()), files or [], sets or [])
    ok = all(f.ok for f in found)
    if json:
        terminal.show({"ok": ok, "findings": [f.model_dump() for f in found]}, True)
    else:
        terminal.table([("ok" if f.ok else "NO", f.name, f.found, f.advice) for f in found])
    raise typer.Exit(0 if ok else 1)


@app.command()
def status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show champion, since when, on what data, last verdict and drift."""
    _prepare()
    from components.release.status import status as look
    from flows import terminal
    from flows.workspace import open_place

    place = open_place(_texts(files), sets or [], None)
    terminal.show(look(place.settings, place.params.release).model_dump(mode="json"), json)


@experiments.command("start")
def experiment_start(
    name: str,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Share of users in the experiment")] = 1.0,
    metric: Annotated[str, typer.Option(help="conversion, clicks or value, per user")] = "conversion",
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Let half of a share of the users see the challenger; the service notices within a second."""
    _prepare()
    from flows import experiment, terminal
    from flows.workspace import open_place

    place = open_place(_texts(files), sets or [], None)
    begun = experiment.start(place, name, share, experiment.metric_of(metric), experiment.now())
    terminal.show(begun.model_dump(mode="json"), json)


@experiments.command("status")
def experiment_status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Say what the experiment shows so far; one may look as often as one likes."""
    _experiment(sets, files, json, end=False)


@experiments.command("stop")
def experiment_stop(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """End the experiment and keep its decision; the gate does not promote what it found worse."""
    _experiment(sets, files, json, end=True)


def _experiment(sets: list[str] | None, files: list[Path] | None, json: bool, end: bool) -> None:
    """Show the decision. Exit codes: 0 better, 2 worse or no difference shown, 3 not enough evidence or broken."""
    _prepare()
    from flows import experiment, terminal
    from flows.workspace import open_place

    place, now = open_place(_texts(files), sets or [], None), experiment.now()
    decision, drawn = (experiment.stop(place, now), None) if end else experiment.status(place, now)
    if json:
        terminal.show(decision.model_dump(mode="json"), True)
    else:
        experiment.show(decision, drawn)
    codes = {"better": 0, "worse": 2, "no difference shown": 2}
    raise typer.Exit(codes.get(decision.verdict, 3))


def main() -> None:
    """Run the command line and end the process with the exit code of the verb."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code. A wrong argument is a fault (1): click's own 2 would read as the verdict `keep`."""
    from typer.exceptions import TyperException

    try:
        return int(app(arguments or ["--help"], prog_name="carousel", standalone_mode=False) or 0)
    except TyperException as error:
        from components.errors import ParamsError

        problem: Exception = ParamsError(f"{error.format_message()}; see `carousel --help`")
    except Exception as error:  # the edge of the program: said once, in one place
        problem = error
    from flows.terminal import fault

    fault(problem, "--json" in arguments)
    return 1


def _prepare() -> Path:
    """Start the log and set what libraries read at import; return where this machine keeps things."""
    from components.settings import Settings
    from flows.terminal import start_log
    from flows.workspace import quiet_environment

    start_log()
    home = Settings().resolved(Path.cwd()).home
    quiet_environment(home)
    return home


def _search(
    home: Path, name: str, as_of: datetime | None, sets: list[str] | None, files: list[Path] | None, json: bool
) -> None:
    """Run a flow of flows/tune.py, recorded where Prefect is there, and print what came of it."""
    from flows import server, terminal

    with server.beside(home) as ready:
        from flows import tune as search
        from flows.tasks import value

        flow = getattr(search, name)
        done = value((flow if ready() else flow.fn)(overlays=_texts(files), overrides=sets or [], as_of=as_of))
    terminal.show(done, True) if json else search.SHOWN[name](done)


def _texts(files: list[Path] | None) -> list[str]:
    return [str(file) for file in files or []]


if __name__ == "__main__":
    main()
