"""applications/NAME/record.json: what an application's stage has made, and what of it ships."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from components.applications.reasons import Reason
from components.contracts import Record
from components.io import find_record, write_json, write_record
from components.params import Params

APPLICATIONS = ("ads", "inventory", "marketing")  # names of stages, of sections of params.yaml, and of folders
FOLDER = Path("applications")
RECORD_FILE = "record.json"
Ships = Literal["model", "baseline", "nothing"]


class ApplicationRecord(Record):
    """The verdict of an application's own gate, and the numbers behind it. No user ids."""

    application: str
    as_of: str  # ISO date-time, UTC: the end of the data
    simulated: bool
    ships: Ships  # the model; the baseline, because the model is not better; nothing: what is published stays
    reasons: list[Reason]  # why, with the numbers
    metrics: dict[str, float]
    limits: tuple[str, ...] = ()  # what the measurements do not show, for the card
    counts: dict[str, int] = Field(default_factory=dict)  # of what it read and wrote


def enabled_applications(params: Params) -> list[str]:
    """Return the names of the applications that params.yaml enables, in the order of APPLICATIONS."""
    return [name for name in APPLICATIONS if getattr(params, name).enabled]


def write_application(root: Path, record: ApplicationRecord) -> None:
    """Write the numbers to reports/NAME/metrics.json and, last, the record to applications/NAME."""
    report = root / "reports" / record.application
    report.mkdir(parents=True, exist_ok=True)
    write_json(report / "metrics.json", dict(sorted(record.metrics.items())))
    write_record(root / FOLDER / record.application / RECORD_FILE, record)


def find_application(folder: Path) -> ApplicationRecord | None:
    """Return the record in an application's folder; None where there is none: it is disabled, or never ran."""
    return find_record(folder / RECORD_FILE, ApplicationRecord, "application")
