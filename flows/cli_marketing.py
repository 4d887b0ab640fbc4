"""`carousel marketing` and `carousel audience`: segments and models of all users, and files of users to address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import AsOf, Files, Json, Sets

Out = Annotated[Path, typer.Option("--out", resolve_path=True, help="File to write, .csv or .parquet")]
Expression = Annotated[
    str | None, typer.Argument(metavar="[EXPRESSION]", help="Over user columns, such as 'orders >= 3 and hour > 17'")
]
Like = Annotated[
    Path | None, typer.Option("--like", resolve_path=True, help="Text file of user ids: users who resemble these")
]
Segment = Annotated[str | None, typer.Option("--segment", help="A segment, such as 'at risk'")]
Campaign = Annotated[
    str | None, typer.Option("--campaign", help="Names the holdout group; default: the name of the file")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Size at most: the best by likeness or response")]
Products = Annotated[bool, typer.Option("--products", help="Name the product that the champion lists first for each")]


def marketing(as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False) -> None:
    """Make segments, expected values and responses of all users, and publish them."""
    from flows import terminal
    from flows.cli_applications import run_application

    done = run_application("marketing", as_of, sets, files)
    if json:
        terminal.show(done.model_dump(mode="json"), True)
    else:
        from flows.applications import describe_record

        terminal.write(f"{describe_record(done.record)}\nreport: {done.report}\n")


def audience(
    out: Out,
    expression: Expression = None,
    like: Like = None,
    segment: Segment = None,
    campaign: Campaign = None,
    limit: Limit = None,
    products: Products = False,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Write the users to address to a file, and those held out to a second one, named .holdout."""
    workspace = startup.open_workspace(files, sets)
    from components.applications.marketing.audience import AudienceRequest
    from flows import terminal
    from flows.audiences import read_ids, write_members

    given = None if like is None else read_ids(like, workspace.params.data.null_ids)
    request = AudienceRequest(campaign or out.stem, expression, given, segment, limit)
    terminal.show(write_members(workspace, request, out, products), json)
