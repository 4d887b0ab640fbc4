"""The moment as of which a run sees a real shop when no parameter names one: now, or that of the run before it.

A retrain that follows another within a day, on sources that have not changed since, keeps the moment of the first: a
failed run goes on where it stopped, and nothing is trained again on the same data.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime

from components import io
from components.contracts import Record
from components.data.sources import fingerprint
from components.errors import ContractError
from components.params import DataParams

FILE = Path("run/moment.json")
VALID_FOR = timedelta(days=1)  # a later run looks at the shop anew


class Moment(Record):
    """run/moment.json: when a run looked at its sources."""

    as_of: AwareDatetime
    sources: str  # sha256 of their fingerprint


def choose(root: Path, data: DataParams, data_root: Path, now: datetime) -> datetime:
    """Return the moment of the last run if it is less than a day old and its sources are unchanged, else now."""
    now = now.replace(microsecond=0)
    last = find(root)
    if last is None or not timedelta(0) <= now - last.as_of < VALID_FOR or _digest(data, data_root) != last.sources:
        return now
    return last.as_of


def store(root: Path, data: DataParams, data_root: Path) -> None:
    """Record that a run starts as of data.as_of, which it took from the clock."""
    io.write_record(root / FILE, Moment(as_of=data.as_of, sources=_digest(data, data_root)))


def find(root: Path) -> Moment | None:
    """Return the moment of the last run; None where there is none, or its file is damaged."""
    try:
        return io.find_record(root / FILE, Moment, "moment")
    except ContractError:
        return None


def _digest(data: DataParams, data_root: Path) -> str:
    """Return the digest of the sources' fingerprint: of a database server it differs for each moment."""
    return io.sha256_bytes(json.dumps(fingerprint(data, data_root), sort_keys=True).encode())
