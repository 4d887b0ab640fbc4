"""The verbs of applications: each runs the flow of one, and shows what it made."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import startup
from flows.options import AsOf, Files, Json, Sets

if TYPE_CHECKING:
    from flows.applications import ApplicationOutcome

CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="PATH", resolve_path=True, help="Also write the whole list to this file")
]


def run_application(
    name: str, as_of: datetime | None, sets: list[str] | None, files: list[Path] | None
) -> ApplicationOutcome:
    """Run the application and the stages that it needs, publish what ships, and return the result."""
    home = startup.prepare()
    from flows import server
    from flows.applications import ApplicationOutcome

    values = {"name": name, "overlays": startup.texts(files), "overrides": sets or [], "as_of": as_of}
    with startup.warm_stages():
        return ApplicationOutcome.model_validate(server.run_flow(home, "flows.applications", "application", **values))


def inventory(
    as_of: AsOf = None, sets: Sets = None, files: Files = None, json: Json = False, csv: CsvFile = None
) -> None:
    """Forecast demand, and print what to order -> applications/inventory, reports/inventory; publishes what ships."""
    done = run_application("inventory", as_of, sets, files)
    from flows import inventory as lists

    lists.show(done, json, csv)
