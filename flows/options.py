"""Options that several verbs of the command line share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

All = Annotated[bool, typer.Option("--all", help="Include parameters that have their defaults")]
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%z"]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=TIMES, help="Use data up to this time, such as 2011-06-01; UTC without a zone"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Set one value of params; repeatable")]
Bootstrap = Annotated[bool, typer.Option("--bootstrap", help="Promote a first champion where there is none")]
Untuned = Annotated[bool, typer.Option("--untuned", help="Ignore the values that `carousel tune` found for this shop")]
Reset = Annotated[bool, typer.Option("--reset", help="Delete the tuned values of this shop")]
Files = Annotated[
    list[Path] | None, typer.Option("--params", resolve_path=True, help="Overlay on params.yaml; repeatable")
]
DecisionFile = Annotated[
    Path | None, typer.Option("--decision", resolve_path=True, help="Decision file; default: the newest one")
]
First = Annotated[
    datetime, typer.Option("--from", formats=TIMES, help="First date as of which the loop decides; UTC without a zone")
]
Last = Annotated[
    datetime, typer.Option("--to", formats=TIMES, help="End of the last period; later events are not read")
]
Every = Annotated[str, typer.Option("--every", help="Days between two dates, such as 7d or 1d, or month")]
Policies = Annotated[
    str, typer.Option("--policies", help="never, once, superiority, refresh, refresh_only, newest; separated by commas")
]
Plants = Annotated[
    list[str] | None,
    typer.Option(
        "--plant",
        metavar="FAULT[@DATE]",
        help="permuted, users, doubled, returns, catalogue, gap or prices in the data as of DATE, or of each date; "
        "repeatable",
    ),
]
