"""Each deployment with what was expected of it and what came true: means over users and days, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.contracts import Interval, Record
from components.evaluation.day_statistics import Days
from components.release.alarm import days_of, leads_of
from components.release.history import CHAMPION, DayOutcome, Served
from components.release.ledger import Action
from components.times import to_iso


class Level(Record):
    """A mean per user and day with its interval."""

    mean: float
    low: float
    high: float
    n_users: int  # sum over the days: a user counts on each day with a target
    n_days: int  # with users


class SimpleModel(Record):
    """A simple model of the same bundle on the same users: its level, and the champion's lead over it."""

    model: str
    level: Level
    lead: Level  # mean per-user difference, champion minus this model


class DeploymentHistory(Record):
    """One deployment: `carousel history --json` lists them, oldest first."""

    number: int
    version: int
    action: Action
    is_refresh: bool
    since: str  # ISO, UTC, on the shop's clock
    until: str | None  # None: it serves
    judged_until: str | None  # ISO: of a refresh, what the gate judged learned from events before
    learned_until: str | None  # ISO: what served did
    gain: Interval | None  # over the champion before it, as the gate measured it on its test window
    metric: str
    expected: Level | None  # by day, on the newest held-out days of the bundle's training
    live: Level | None  # by day, while it served
    simple_models: list[SimpleModel]


def summarise(
    periods: Sequence[Served], outcomes: Sequence[DayOutcome], metric: str, confidence: float
) -> list[DeploymentHistory]:
    """Return each deployment's history, oldest first; a level is None where no day with users was scored."""
    rows = [o for o in outcomes if o.metric == metric]
    return [_summarise(p, p is periods[-1], rows, metric, confidence) for p in periods]


def live_rows(period: Served, outcomes: Iterable[DayOutcome]) -> list[DayOutcome]:
    """Return the rows of the days that the deployment served, oldest first."""
    number = period.deployment.number
    live = (o for o in outcomes if o.window == "live" and o.number == number)
    return [o for o in live if period.start <= o.start_us and o.until_us <= period.end]


def expected_rows(period: Served, outcomes: Iterable[DayOutcome]) -> list[DayOutcome]:
    """Return the rows of the held-out days of the deployment's bundle, its own model's."""
    digest = period.deployment.digest
    return [o for o in outcomes if o.window == "expected" and o.digest == digest and o.model == CHAMPION]


def level(days: Days, confidence: float) -> Level | None:
    """Return the mean of the days with its interval; None without days."""
    if not days.days:
        return None
    low, high = days.interval(confidence)
    return Level(mean=days.mean, low=low, high=high, n_users=days.n_users, n_days=len(days.days))


def _summarise(
    period: Served, serves: bool, rows: Sequence[DayOutcome], metric: str, confidence: float
) -> DeploymentHistory:
    deployment, live = period.deployment, live_rows(period, rows)
    simple_models = []
    for model in sorted({o.model for o in live} - {CHAMPION}):
        own = [o for o in live if o.model == model]
        simple, lead = level(days_of(own), confidence), level(leads_of(own), confidence)
        simple_models += [SimpleModel(model=model, level=simple, lead=lead)] if simple and lead else []
    launch = deployment.launch
    return DeploymentHistory(
        number=deployment.number,
        version=deployment.version,
        action=deployment.action,
        is_refresh=bool(launch and launch.is_refresh),
        since=to_iso(period.start),
        until=None if serves else to_iso(period.end),
        judged_until=launch.judged_until if launch else None,
        learned_until=launch.learned_until if launch else None,
        gain=launch.gain if launch else None,
        metric=metric,
        expected=level(days_of(expected_rows(period, rows)), confidence),
        live=level(days_of(o for o in live if o.model == CHAMPION), confidence),
        simple_models=simple_models,
    )
