"""The record after the fact: what served when, and how it did on the events that came later, day by day.

The table `outcomes` in the shop's ledger.db holds a row per deployment, day (UTC) and model: aggregates over users, no
user. Rows are only added; the newest row of a key counts, for example once a day that was still running is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from components.compat import translate
from components.contracts import Record
from components.faults import crash_point
from components.release.ledger import Deployment, Ledger
from components.times import to_iso, to_micros

Window = Literal["expected", "live"]
CHAMPION = "champion"
SCORED_FILE = "outcomes.json"  # in the shop's folder
KEY = ("window", "number", "day", "start", "model", "metric")
TABLE = """
CREATE TABLE IF NOT EXISTS outcomes (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    window TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL, day TEXT NOT NULL,
    start TEXT NOT NULL, until TEXT NOT NULL, model TEXT NOT NULL, metric TEXT NOT NULL, n_users INTEGER NOT NULL,
    mean REAL, error REAL, lead REAL, lead_error REAL
);
CREATE TRIGGER IF NOT EXISTS no_outcome_update BEFORE UPDATE ON outcomes
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_outcome_delete BEFORE DELETE ON outcomes
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class DayOutcome(Record):
    """One model on one day of a deployment, or of the held-out days before it."""

    window: Window  # live: it served; expected: held out in its training, scored in the same way
    number: int  # of the deployment
    version: int
    digest: str  # of the version's bundle
    day: str  # ISO date, UTC
    start: str  # ISO: the scored part of the day, on the shop's clock
    until: str
    model: str  # "champion": what served; else a simple model of the same bundle
    metric: str
    n_users: int
    mean: float | None  # None without users
    error: float | None  # standard error of the mean; None with fewer than 2 users
    lead: float | None = None  # mean per-user difference, champion minus this model
    lead_error: float | None = None

    @property
    def start_us(self) -> int:
        """Return the start in microseconds (UTC)."""
        return to_micros(datetime.fromisoformat(self.start))

    @property
    def until_us(self) -> int:
        """Return the end in microseconds (UTC)."""
        return to_micros(datetime.fromisoformat(self.until))


class Scored(Record):
    """outcomes.json in the shop's folder: what the last run recorded, and why the champion falls short."""

    as_of: str  # ISO: the events up to then have been scored
    n_days: int  # whole or ended parts of days that are recorded now and were not before
    alarms: list[str]  # why the champion falls short, a sentence each


COLUMNS = ", ".join(DayOutcome.model_fields)


@dataclass(frozen=True)
class Served:
    """A deployment and when it served, start <= time < end, microseconds on the shop's clock."""

    deployment: Deployment
    start: int
    end: int


def served_periods(deployments: Iterable[Deployment], as_of: int) -> list[Served]:
    """Return what served before as_of (us), in the order of the ledger; what ended at its start has an empty period.

    A deployment serves until the next one starts. One recorded before version 0.4 starts at the machine's time.
    """
    done = [d for d in deployments if d.state == "done"]
    starts = list(map(_start, done))
    ends = [*starts[1:], as_of][: len(starts)]
    rows = zip(done, starts, ends, strict=True)
    return [Served(deployment, start, min(end, as_of)) for deployment, start, end in rows if start <= as_of]


def newest_start(deployments: Iterable[Deployment], as_of: int) -> int:
    """Return the start (us) of the newest deployment, or as_of where that is later."""
    return max([as_of, *(_start(d) for d in deployments if d.state == "done")])


def _start(deployment: Deployment) -> int:
    launch = deployment.launch
    return to_micros(datetime.fromisoformat(launch.since if launch else deployment.at))


class History:
    """The table `outcomes` in the ledger of a shop."""

    def __init__(self, shop: Path) -> None:
        self.ledger = Ledger(shop)

    def outcomes(self) -> list[DayOutcome]:
        """Return the newest row of each key, oldest day first; reading creates no file."""
        if not self.ledger.path.exists():
            return []
        with self.ledger.transaction(TABLE) as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM outcomes ORDER BY row").fetchall()  # noqa: S608
        names = COLUMNS.split(", ")
        found = [DayOutcome.model_validate(translate("outcome", dict(zip(names, row, strict=True)))) for row in rows]
        newest = {_key(outcome): outcome for outcome in found}
        return sorted(newest.values(), key=lambda o: (o.start, o.number, o.window, o.model != CHAMPION, o.model))

    def add(self, outcomes: Sequence[DayOutcome]) -> int:
        """Add the rows that say something new, all or none; return how many."""
        known = {_key(outcome): outcome for outcome in self.outcomes()}
        new = [outcome for outcome in outcomes if known.get(_key(outcome)) != outcome]
        if new:
            with self.ledger.transaction(TABLE) as db:
                marks = ", ".join("?" * len(DayOutcome.model_fields))
                sql = f"INSERT INTO outcomes ({COLUMNS}) VALUES ({marks})"  # noqa: S608
                db.executemany(sql, [tuple(outcome.model_dump().values()) for outcome in new])
                crash_point("history:written")
        return len(new)


def is_complete(outcomes: Iterable[DayOutcome], number: int, start: int, end: int, metric: str) -> bool:
    """Return whether the deployment's part of a day, start to end (us), has been scored to its end."""
    first, last = to_iso(start), to_iso(end)
    return any(
        (o.window, o.number, o.start, o.until, o.metric) == ("live", number, first, last, metric) for o in outcomes
    )


def _key(outcome: DayOutcome) -> tuple[object, ...]:
    return tuple(getattr(outcome, name) for name in KEY)
