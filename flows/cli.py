"""`carousel VERB`: every verb is a flow, or one call. Exit codes: 0 done, 1 fault, 2 keep, 3 not enough evidence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import CarouselError
from components.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
AsOf = Annotated[datetime | None, typer.Option("--as-of", help="See the shop as of then (UTC), such as 2011-06-01")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Set one value of params; repeatable")]
Bootstrap = Annotated[bool, typer.Option("--bootstrap", help="Promote a first champion where there is none")]
Files = Annotated[list[Path] | None, typer.Option("--params", help="Overlay on params.yaml; repeatable")]


@app.command()
def retrain(
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Promote a first champion where there is none")
    ] = False,
) -> None:
    """Run the whole loop: snapshot, training, evaluation, verdict, promotion."""
    with _faults(json):
        from flows import unchanged
        from flows.outcome import Outcome, show, to_json

        overlays = list(map(str, files or []))
        done = unchanged.kept(overlays, sets or [], as_of)
        if done is None:
            from flows.retrain import retrain as flow

            result = flow(overlays=overlays, overrides=sets or [], as_of=as_of, bootstrap=bootstrap)
            done = Outcome.model_validate(result)
        if json:
            typer.echo(to_json(done))
        else:
            show(done, Path.cwd())
        raise typer.Exit(done.code)


@app.command()
def monitor(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Look for drift, stale data and missing volume, as of now."""
    with _faults(json):
        from flows.monitor import monitor as flow

        _print(flow(overlays=list(map(str, files or [])), overrides=sets or [], as_of=as_of), json)


@app.command()
def decide(
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    bootstrap: Bootstrap = False,
) -> None:
    """Take the verdict again on what the last run left here, such as with another gate.min_gain."""
    with _faults(json):
        from flows import tasks
        from flows.outcome import CODES

        place = _place(files, sets)
        version = tasks.register.fn(place)
        decision = tasks.decide.fn(place, version, bootstrap)
        _print(decision.model_dump(mode="json"), json)
        raise typer.Exit(CODES[decision.verdict])


@app.command()
def promote(
    decision: Annotated[Path | None, typer.Option("--decision", help="Decision file; default: the newest one")] = None,
    json: Json = False,
) -> None:
    """Move the champion alias as a decision file says; a stale decision is refused."""
    with _faults(json):
        from flows.release import promote as flow

        _print(flow(str(decision) if decision else None), json)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option("--to", min=1, help="Version; default: what served before")] = None,
    json: Json = False,
) -> None:
    """Let serve again what served before, by the ledger."""
    with _faults(json):
        from flows.release import rollback as flow

        _print(flow(to), json)


@app.command()
def serve(sets: Sets = None, files: Files = None) -> None:
    """Serve the champion over HTTP and follow its alias."""
    with _faults(False):
        from components.serving.app import serve as start

        place = _place(files, sets)
        start(place.settings, place.params)


@app.command()
def reproduce(version: int, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Rebuild a version in a clean workspace and compare its metrics; exit code 1 where they differ."""
    with _faults(json):
        from components.release.reproduce import reproduce as rebuild

        place = _place(files, sets)
        result = rebuild(version, place.registry(), place.settings, place.root)
        _print(result.model_dump(mode="json"), json)
        raise typer.Exit(0 if result.equal else 1)


@app.command()
def doctor(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Look at the machine, params, sources, remote and registry before anything is spent."""
    with _faults(json):
        from components.release.doctor import examine

        found = examine(Path.cwd(), Settings().resolved(Path.cwd()), files or [], sets or [])
        ok = all(f.ok for f in found)
        if json:
            _print({"ok": ok, "findings": [f.model_dump() for f in found]}, True)
        else:
            _table([("ok" if f.ok else "NO", f.name, f.found, f.advice) for f in found])
        raise typer.Exit(0 if ok else 1)


@app.command()
def status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show champion, since when, on what data, last verdict and drift."""
    with _faults(json):
        from components.release.status import status as look

        place = _place(files, sets)
        _print(look(place.settings, place.params.release).model_dump(mode="json"), json)


def main() -> None:
    """Run the command line."""
    app()


def _place(files: list[Path] | None, sets: list[str] | None) -> Any:
    from flows.place import open_place

    return open_place(list(map(str, files or [])), sets or [], None)


@contextmanager
def _faults(json: bool) -> Iterator[None]:
    """Turn a fault that a person can act on into one message and exit code 1; logs go to standard error."""
    from flows.place import quiet_environment

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for name in ("httpx", "alembic", "mlflow", "dvc", "fontTools", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    quiet_environment(Settings().resolved(Path.cwd()).home)
    try:
        yield
    except CarouselError as error:
        if json:
            from flows.outcome import to_json

            typer.echo(to_json({"error": str(error), "kind": type(error).__name__}))
        else:
            typer.echo(f"carousel: {error}", err=True)
        raise typer.Exit(1) from None


def _print(content: dict[str, Any], json: bool) -> None:
    if json:
        from flows.outcome import to_json

        typer.echo(to_json(content))
        return
    _table([(name, _plain(value)) for name, value in content.items()])


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "\n".join(_plain(v) for v in value) or "-"
    return "-" if value is None else str(value)


def _table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


if __name__ == "__main__":
    main()
