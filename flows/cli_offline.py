"""`carousel recommend`, `carousel export` and `carousel impressions`: lists without a server."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import TIMES, Files, Json, Sets

ListLength = Annotated[int, typer.Option("--k", "-k", min=1, help="Length of a list, at most serving.max_k")]
Rules = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="RULE", help="Only products that fulfil it, such as 'price < 50'; repeatable"),
]
InStock = Annotated[bool, typer.Option("--in-stock", help="Without products whose stock is known to be 0")]
Diversity = Annotated[
    float, typer.Option("--diversity", min=0, max=1, help="0 orders by score alone, 1 by difference in text alone")
]
Quotas = Annotated[
    list[str] | None,
    typer.Option("--quota", metavar="KIND:LEAST[:MOST]", help="Items of a kind, such as article:2:3; repeatable"),
]
Number = Annotated[int | None, typer.Option("--version", min=1, help="Version of the model; default: the champion")]
Folder = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="FOLDER", resolve_path=True, help="Bundle folder, in place of a version"),
]
UsersFile = Annotated[
    Path | None,
    typer.Option("--users", resolve_path=True, help="Text file with one user id a line; default: all users"),
]
EventsUntil = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=TIMES, help="Events up to this time count; default: now; UTC without a zone"),
]
Table = Annotated[str, typer.Option("--table", help="Name of the table, where the target is a database")]


def recommend(
    user: Annotated[str | None, typer.Argument(metavar="[USER]", help="User id: stored events count")] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="ID,ID", help="Products of a visitor, oldest first, in place of a user"),
    ] = None,
    k: ListLength = 10,
    rules: Rules = None,
    in_stock: InStock = False,
    diversity: Diversity = 0.0,
    quotas: Quotas = None,
    version: Number = None,
    bundle: Folder = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Show the list of one user or history, with what each part of the model adds to a score."""
    startup.prepare()
    from flows import offline_lists, terminal

    request = offline_lists.make_request(user, history, k, rules or [], in_stock, diversity, quotas or [])
    done = offline_lists.recommend(request, version, bundle, sets or [], startup.texts(files))
    if json:
        terminal.show(done, True)
    else:
        offline_lists.show(done)


def export(
    to: Annotated[
        str | None,
        typer.Argument(
            metavar="[TO]",
            help="File (.parquet, .csv, .jsonl) or URL of an SQLite or PostgreSQL database",
        ),
    ] = None,
    table: Table = "recommendations",
    users: UsersFile = None,
    k: ListLength = 10,
    rules: Rules = None,
    in_stock: InStock = False,
    diversity: Diversity = 0.0,
    quotas: Quotas = None,
    version: Number = None,
    bundle: Folder = None,
    as_of: EventsUntil = None,
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Write the lists of all users, or of those in a file, to a file or a table; go on with a killed export."""
    home = startup.prepare()
    from flows import server, terminal

    wanted = {"rules": rules or [], "quotas": quotas or []}
    request = {"k": k, "in_stock": in_stock, "diversity": diversity, **wanted}
    model = {"version": version, "bundle": str(bundle) if bundle else None}
    lines = {"as_of": as_of, "overrides": sets or [], "overlays": startup.texts(files)}
    whom = str(users) if users else None
    done = server.run_flow(home, "flows.export", "export", to=to, table=table, users=whom, **request, **model, **lines)
    terminal.show(done, json)


def impressions(
    lists: Annotated[str, typer.Argument(metavar="LISTS", help="The exported file, or the URL of its database")],
    shown: Annotated[
        Path,
        typer.Argument(metavar="SHOWN", help="CSV or JSON Lines: list_id, timestamp, and n_shown if not all were seen"),
    ],
    table: Table = "recommendations",
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Log which exported lists were shown, so that they count as impressions."""
    startup.prepare()
    from flows import offline_lists, terminal

    terminal.show(offline_lists.log_shown(lists, table, shown, sets or [], startup.texts(files)), json)
