"""What a check of the shop asks for: a retrain, a refresh, nothing, or an alarm; with the reasons.

    alarm    a guardrail on the data failed, or drift is not computable: no run may learn from such data; or the
             champion learned from users who were forgotten longer ago than privacy.unlearn_days
    retrain  the columns drifted, or the champion falls below its record: another recipe may be better
    refresh  the champion learned from old data only. Before a retrain, too: it takes less time and helps at once, and
             the next check asks for the retrain if the drift is still there
    nothing  otherwise; or because such a run was decided or asked for a short time ago

A drift that a retrain has answered, whatever its verdict, counts again only when it grows: when another column is over
its limit, or a distance has become `min_growth` times as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from components.contracts import DriftVerdict, Record
from components.monitoring.data_checks import DataChecks
from components.params import MonitorParams

Action = Literal["nothing", "refresh", "retrain", "alarm"]
VOLUME = "volume"  # stands for the alarm on events per day among the columns


class Advice(Record):
    """monitor.json in the folder of a shop: what the last check asked for, and what the next one must know."""

    action: Action
    reasons: tuple[str, ...]
    as_of: str  # ISO, UTC
    drift_since: str | None = None  # as_of of the check that found the present drift; None: there is none
    drift_columns: dict[str, float] = Field(default={})  # columns over their limit then, with their distance
    refresh_asked: str | None = None  # as_of of the last check that asked for one
    retrain_asked: str | None = None


@dataclass(frozen=True)
class Signals:
    """What a check has found."""

    as_of: datetime
    drift: DriftVerdict
    checks: DataChecks
    champion_end: datetime | None  # the champion learned from events before this; None: nothing serves
    n_new_users: int  # users with a target event since then
    last_retrain: datetime | None = None  # as_of of the last decision about a recipe, whatever its verdict
    last_refresh: datetime | None = None  # as_of of the last decision about a refresh
    overdue: Sequence[str] = ()  # what the champion should have unlearned by now
    record: Sequence[str] = ()  # why the champion falls below what it promised, by the ledger; (): it does not


def advise(signals: Signals, before: Advice | None, params: MonitorParams, min_users: int) -> Advice:
    """Return what the check asks for. before: the last advice; min_users: users with new targets for a refresh."""
    since, columns = _drift_state(signals, before, params)
    known = Advice(
        action="nothing",
        reasons=(),
        as_of=signals.as_of.isoformat(),
        drift_since=since,
        drift_columns=columns,
        refresh_asked=before.refresh_asked if before else None,
        retrain_asked=before.retrain_asked if before else None,
    )
    action, reasons = _choose(signals, known, params, min_users)
    requested = {f"{action}_asked": known.as_of} if action in ("refresh", "retrain") else {}
    return known.model_copy(update={"action": action, "reasons": tuple(reasons), **requested})


def _choose(signals: Signals, known: Advice, params: MonitorParams, min_users: int) -> tuple[Action, list[str]]:
    alarms = [check.why for check in signals.checks.failed]
    alarms += signals.drift.reasons if not signals.drift.computable else []
    alarms += signals.overdue
    if alarms:
        return "alarm", alarms
    if signals.champion_end is None:
        return "nothing", ["nothing serves yet: run `carousel retrain --bootstrap`"]
    stale, wait = _staleness(signals, params), _refresh_obstacle(signals, known, params, min_users)
    wanted, notes = _retrain_reasons(signals, known)
    if wanted and not (stale and not wait):
        obstacle = _retrain_obstacle(signals, known, params)
        if not obstacle:
            return "retrain", wanted
        notes = [*wanted, obstacle]
    elif wanted:
        notes = [*wanted, "a refresh first; the next check asks for the retrain"]
    if stale and not wait:
        return "refresh", [stale, *notes]
    notes += [f"{stale}, but {wait}"] if stale else []
    return "nothing", notes or ["no drift, and the champion is up to date"]


def _drift_state(signals: Signals, before: Advice | None, params: MonitorParams) -> tuple[str | None, dict[str, float]]:
    """Return since when the present drift is known, and its columns then; a drift that grew is a new one."""
    over = columns_over_limit(signals.drift)
    if not signals.drift.drifted:
        return None, {}
    if before is not None and before.drift_since is not None:
        grown = {
            name
            for name, distance in over.items()
            if name not in before.drift_columns or distance >= params.min_growth * before.drift_columns[name]
        }
        if not grown:
            return before.drift_since, before.drift_columns
    return signals.as_of.isoformat(), over


def columns_over_limit(drift: DriftVerdict) -> dict[str, float]:
    """Return the distance of each column over its limit, and 1 for VOLUME where the events per day gave an alarm."""
    over = {name: value for name, value in drift.columns.items() if value > drift.thresholds[name]}
    return over | ({VOLUME: 1.0} if any(reason.startswith(f"{VOLUME}:") for reason in drift.reasons) else {})


def _retrain_reasons(signals: Signals, known: Advice) -> tuple[list[str], list[str]]:
    """Return why a retrain is wanted, and what is known but answered."""
    wanted, notes = list(signals.record), []
    if signals.drift.drifted and known.drift_since is not None:
        since = datetime.fromisoformat(known.drift_since)
        reasons = [f"drift since the check of {since:%Y-%m-%d %H:%M}: {'; '.join(signals.drift.reasons)}"]
        if signals.last_retrain is not None and signals.last_retrain >= since:
            notes = [f"{reasons[0]}; the retrain as of {signals.last_retrain:%Y-%m-%d %H:%M} has answered it"]
        else:
            wanted = reasons + wanted
    return wanted, notes


def _retrain_obstacle(signals: Signals, known: Advice, params: MonitorParams) -> str:
    last = _newest(signals.last_retrain, known.retrain_asked)
    if last is None or signals.as_of - last >= timedelta(days=params.min_retrain_days):
        return ""
    return (
        f"the last retrain, decided or asked for, was as of {last:%Y-%m-%d %H:%M}, less than monitor.min_retrain_days "
        f"({params.min_retrain_days:g}) ago"
    )


def _staleness(signals: Signals, params: MonitorParams) -> str:
    assert signals.champion_end is not None
    age = (signals.as_of - signals.champion_end) / timedelta(days=1)
    if age <= params.max_model_age_days:
        return ""
    return (
        f"the champion learned from events before {signals.champion_end:%Y-%m-%d %H:%M}, {age:.1f} days ago; "
        f"monitor.max_model_age_days is {params.max_model_age_days:g}"
    )


def _refresh_obstacle(signals: Signals, known: Advice, params: MonitorParams, min_users: int) -> str:
    if signals.n_new_users < min_users:
        return f"only {signals.n_new_users} users have new targets, refresh.min_users is {min_users}"
    last = _newest(signals.last_refresh, known.refresh_asked)
    if last is None or signals.as_of - last >= timedelta(hours=params.min_refresh_hours):
        return ""
    return (
        f"the last refresh, decided or asked for, was as of {last:%Y-%m-%d %H:%M}, less than monitor.min_refresh_hours "
        f"({params.min_refresh_hours:g}) ago"
    )


def _newest(decided: datetime | None, requested: str | None) -> datetime | None:
    times = [time for time in (decided, datetime.fromisoformat(requested) if requested else None) if time is not None]
    return max(times, default=None)
