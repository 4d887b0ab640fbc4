"""`carousel ads`: campaigns with their spend and plan; the application's run; the log of choices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import AsOf, Files, Json, Sets


def ads(
    run: Annotated[bool, typer.Option("--run", help="First calibrate anew, and publish what ships")] = False,
    log: Annotated[
        Path | None, typer.Option("--log", resolve_path=True, help="Write the choices so far to this Parquet file")
    ] = None,
    as_of: AsOf = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Show campaigns with today's spend and plan, as the service has booked them."""
    if run:
        from flows.cli_applications import run_application

        run_application("ads", as_of, sets, files)
    workspace = startup.open_workspace(files, sets)
    from components.times import now_micros
    from flows import ads as books

    status = books.read_status(workspace, now_micros())
    if log is not None:
        status = status.model_copy(update={"logged": books.write_log(workspace, log)})
    books.show(status, json)
