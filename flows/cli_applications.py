"""What the verbs of applications share: they run the flow of one application."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows import startup

if TYPE_CHECKING:
    from flows.applications import ApplicationOutcome


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
