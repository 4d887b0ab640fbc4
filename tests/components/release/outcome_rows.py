"""Rows of the history, and deployments on the shop's clock, made by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from components.contracts import Interval
from components.release.history import DayOutcome, Served
from components.release.launch import Launch
from components.release.ledger import Deployment
from components.times import to_micros

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def on(day: float) -> datetime:
    """Return the time `day` days after the first of January 2026, 00:00 UTC."""
    return FIRST + timedelta(days=day)


def us(day: float) -> int:
    return to_micros(on(day))


def deployment(number: int, day: float | None, version: int | None = None, **changes: Any) -> Deployment:
    """Return a deployment that starts on that day of the shop's clock; None: recorded without a launch."""
    launch = None
    if day is not None:
        gain = Interval(gain=0.02, low=0.01, high=0.03, n_users=500)
        own = {name: changes.pop(name) for name in [*changes] if name in Launch.model_fields}
        launch = Launch(since=on(day).isoformat(), gain=gain, **own)
    fields: dict[str, Any] = {
        "number": number, "at": "2026-05-01T00:00:00+00:00", "state": "done", "action": "promote",
        "version": version or number, "previous": None, "digest": f"digest {version or number}",
        "decision_digest": "d", "note": "", "launch": launch,
    }  # fmt: skip
    return Deployment.model_validate(fields | changes)


def served(number: int, start: float, end: float, **changes: Any) -> Served:
    return Served(deployment(number, start, **changes), us(start), us(end))


def outcome(day: float, mean: float | None, **changes: Any) -> DayOutcome:
    """Return the champion's row of a whole day of deployment 1; 100 users, each of them 0.1 from the mean."""
    fields: dict[str, Any] = {
        "window": "live", "number": 1, "version": 1, "digest": "digest 1", "day": on(day).date().isoformat(),
        "start": on(day).isoformat(), "until": on(int(day) + 1).isoformat(), "model": "champion",
        "metric": "ndcg_at_10", "n_users": 100 if mean is not None else 0, "mean": mean,
        "error": 0.01 if mean is not None else None,
    }  # fmt: skip
    return DayOutcome.model_validate(fields | changes)


def simple(day: float, mean: float, lead: float, **changes: Any) -> DayOutcome:
    """Return a simple model's row of a day, with the champion's lead over it."""
    return outcome(day, mean, model="popularity", lead=lead, lead_error=0.01, **changes)
