"""What the stage `complete` found, for the stage `package`."""

from pathlib import Path

from components.contracts import Completion
from components.io import find_record

FILE = "completion.json"


def read_completion(reports: Path) -> Completion | None:
    """Return the completion below reports/complete; None where nothing was completed."""
    return find_record(reports / FILE, Completion, "completion", "run the stage `complete` again")
