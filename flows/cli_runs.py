"""`carousel retrain`, `refresh`, `monitor`, `tune` and `curve`: each runs a flow, which Prefect records."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flows import startup
from flows.options import AsOf, Bootstrap, Files, Json, Reset, Sets, Untuned

if TYPE_CHECKING:
    from flows.outcome import Outcome


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
    from flows import outcome, server, unchanged

    overlays, lines = startup.texts(files), sets or []
    done = unchanged.unchanged_outcome(overlays, lines, as_of, untuned, bootstrap)
    if done is None:
        values = {"overlays": overlays, "overrides": lines, "as_of": as_of}
        with startup.warm_stages():
            result = server.run_flow(home, "flows.retrain", "retrain", **values, bootstrap=bootstrap, untuned=untuned)
        done = outcome.Outcome.model_validate(result)
    _end(done, json)


def refresh(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Fit the champion's recipe on the newest data, and ship it unless it is worse."""
    home = startup.prepare()
    from flows import outcome, server

    values = {"overlays": startup.texts(files), "overrides": sets or [], "as_of": as_of}
    with startup.warm_stages():
        result = server.run_flow(home, "flows.refresh", "refresh", **values)
    _end(outcome.Outcome.model_validate(result), json)


def monitor(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Check data, drift and age; exit codes: 0 nothing, 2 unfit data, 4 a refresh is wanted, 5 a retrain is wanted."""
    home = startup.prepare()
    from flows import server, terminal

    values = {"overlays": startup.texts(files), "overrides": sets or [], "as_of": as_of}
    report = server.run_flow(home, "flows.monitor", "monitor", **values)
    from flows.monitor import CODES

    terminal.show(report if json else {name: report[name] for name in ("action", "reasons", "as_of", "notes")}, json)
    raise typer.Exit(CODES[report["action"]])


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


def curve(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Measure a learning curve: the models trained on 1, 10 and 100 % of the users -> reports/curve."""
    home = startup.prepare()
    from flows.workspace import open_workspace

    open_workspace(startup.texts(files), sets or [], as_of)  # report a wrong value before a server starts
    _search(home, "curve", as_of, sets, files, json)


def _search(
    home: Path, name: str, as_of: datetime | None, sets: list[str] | None, files: list[Path] | None, json: bool
) -> None:
    """Run a flow of flows/tune.py and print the result."""
    from flows import server, terminal

    values: dict[str, Any] = {"overlays": startup.texts(files), "overrides": sets or [], "as_of": as_of}
    done = server.run_flow(home, "flows.tune", name, **values)
    from flows.tune import SHOWN

    terminal.show(done, True) if json else SHOWN[name](done)


def _end(done: Outcome, json: bool) -> None:
    """Print the outcome and exit with the code of its verdict."""
    from flows import outcome, terminal

    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        outcome.show(done, Path.cwd())
    raise typer.Exit(done.code)
