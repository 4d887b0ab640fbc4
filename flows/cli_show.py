"""`carousel doctor`, `params`, `status` and `history`: they show, and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import startup
from flows.options import All, AsOf, Files, Json, Sets

if TYPE_CHECKING:
    from components.offline.stored_data import StoredData


def doctor(
    exports: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", resolve_path=True)] = None,
    like: Annotated[
        str, typer.Option("--like", metavar="NAME", help="Check FILEs against an overlay of examples/exports instead")
    ] = "",
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Check machine, params, sources, remote and registry before a run; or whether FILEs are a well-known export."""
    startup.prepare()
    from components.errors import ParamsError
    from components.release.doctor import examine
    from components.release.export_check import examine_export
    from components.settings import Settings
    from flows import terminal

    root = Path.cwd()
    settings = Settings().resolved(root)
    if exports and not like:
        raise ParamsError("doctor: expected --like NAME with FILE, as in `carousel doctor --like shopify orders.csv`")
    if like:
        found = examine_export(root, settings.data_root or root, like, exports or [], files or [], sets or [])
    else:
        found = examine(root, settings, files or [], sets or [])
    ok = all(f.ok for f in found)
    if json:
        terminal.show({"ok": ok, "findings": [f.model_dump() for f in found]}, True)
    else:
        terminal.table([("ok" if f.ok else "NO", f.name, f.found, f.advice) for f in found])
    raise typer.Exit(0 if ok else 1)


def params(sets: Sets = None, files: Files = None, json: Json = False, every: All = False) -> None:
    """Show the parameters of a run in this checkout, with unit, effect, and where each is set."""
    workspace = startup.open_workspace(files, sets)
    from flows.params import show

    show(workspace, every, json)


def privacy(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show what is stored of whom, why, for how long, and how old it is: every place, with its parameter."""
    workspace = startup.open_workspace(files, sets)
    from components.offline.stored_data import list_stored_data
    from flows import terminal

    rows = list_stored_data(workspace.root, workspace.settings, workspace.params)
    if json:
        terminal.show({"stored": [row.model_dump(mode="json") for row in rows]}, True)
    else:
        shown = [row for row in rows if row.oldest is not None]
        terminal.write("\n".join(map(_describe_stored, shown)) or "nothing is stored yet")


def _describe_stored(row: StoredData) -> str:
    limit = f"{row.until} ({row.parameter} {row.value})" if row.parameter else row.until
    about = [
        f"{row.location}: {row.size / 1e6:.1f} MB, oldest {row.oldest:%Y-%m-%d}",
        f"  holds  {row.holds}",
        f"  of     {row.of}",
        f"  why    {row.why}",
        f"  until  {limit}",
    ]
    return "\n".join(about)


def status(sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Show the champion, since when it serves, its data, the last verdict and drift."""
    workspace = startup.open_workspace(files, sets)
    from components.release.status import read_status
    from flows import terminal

    terminal.show(read_status(workspace.settings, workspace.params.release).model_dump(mode="json"), json)


def history(
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.svg", help="Write a picture, too")] = None,
) -> None:
    """Show each deployment: the gain at the gate, what was expected a day, and what came true."""
    workspace = startup.open_workspace(files, sets, as_of)
    from components.io import write_text
    from flows import terminal
    from flows.history import read_history

    found = read_history(workspace, with_later=as_of is None)
    picture = found.plot() if plot is not None else ""
    if plot is not None and picture:
        write_text(plot, picture)
    elif plot is not None:
        typer.echo(f"{plot} is not written: no day has been scored yet", err=True)
    if json:
        terminal.show({"deployments": [row.model_dump(mode="json") for row in found.deployments]}, True)
    else:
        terminal.show_columns(found.table(), "nothing has served yet")
