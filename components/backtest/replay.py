"""Replays policies over the dates of a backtest, and planted faults from the states that the policies were in."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.backtest.engine import Engine, View
from components.backtest.faults import Plant
from components.backtest.passes import Deployed, ReplayedPass, retrain
from components.backtest.policies import Policy
from components.contracts import Record
from components.errors import ParamsError

log = logging.getLogger("backtest")
MONTH = "month"


class Period(Record):
    """One period of a replay: what was done as of its start, and the quality of what served until its end."""

    start: str
    end: str
    passes: list[ReplayedPass]
    serving: Deployed  # in the period
    value: float  # mean of evaluation.primary for the users of the period
    n_users: int


class PolicyReplay(Record):
    """One policy over all periods."""

    policy: str
    periods: list[Period]


class FaultReplay(Record):
    """One policy on data with a fault as of one date, mended as of the next."""

    policy: str
    fault: str
    periods: list[Period]  # the one after the fault, and the one after it was mended
    sound: list[float]  # the values of the same periods without the fault


class Backtest(Record):
    """reports/backtest/backtest.json."""

    metric: str
    simulated: bool
    candidates: list[str]
    policies: dict[str, str]  # name -> meaning
    replays: list[PolicyReplay]
    faults: dict[str, str]  # name -> meaning, of those that were planted
    planted: list[FaultReplay]


@dataclass(frozen=True)
class Schedule:
    """The starts of the periods, and the end of the last one."""

    starts: tuple[datetime, ...]
    end: datetime

    @classmethod
    def of(cls, first: datetime, last: datetime, every: str) -> Schedule:
        """Return the periods of `every` (7d, 1d, month) from `first`; none ends after `last`.

        Raises ParamsError for another form of `every`, or where no period fits.
        """
        moments = [first]
        while (following := _next(first, len(moments), every)) <= last:
            moments.append(following)
        if len(moments) < 2:
            raise ParamsError(f"--from {first:%Y-%m-%d} --to {last:%Y-%m-%d}: no period of --every {every} fits")
        return cls(tuple(moments[:-1]), moments[-1])

    def periods(self) -> Iterator[tuple[int, datetime, datetime]]:
        """Yield number, start and end of each period."""
        yield from zip(range(len(self.starts)), self.starts, (*self.starts[1:], self.end), strict=True)

    def begins_month(self, number: int) -> bool:
        """Return whether the period's start is the first in its month; False for the first of all."""
        return number > 0 and self.starts[number].month != self.starts[number - 1].month


def _next(first: datetime, number: int, every: str) -> datetime:
    if every == MONTH:
        months = first.month - 1 + number
        return first.replace(year=first.year + months // 12, month=months % 12 + 1)
    days = every.removesuffix("d")
    if not (every.endswith("d") and days.isdecimal() and int(days) > 0):
        raise ParamsError(f"--every {every}: expected a number of days such as 7d, or {MONTH}")
    return first + timedelta(days=number * int(days))


def replay(engine: Engine, schedule: Schedule, name: str, policy: Policy) -> PolicyReplay:
    """Return what the policy does and how well it serves in each period."""
    first = View(schedule.starts[0])
    chosen = retrain(engine, None, first, as_served=False)
    assert chosen.made is not None
    opening = policy.start(engine, first, chosen.made)
    passes = [chosen, *([opening] if opening else [])]
    serving, periods = _serving(chosen.made, passes), list[Period]()
    for number, start, end in schedule.periods():
        if number:
            passes = list(policy.passes(engine, View(start), serving, schedule.begins_month(number)))
            serving = _serving(serving, passes)
        periods.append(_period(engine, start, end, passes, serving))
        log.info("%s: %s to %s %.4f", name, start.date(), end.date(), periods[-1].value)
    return PolicyReplay(policy=name, periods=periods)


def replay_fault(
    engine: Engine, schedule: Schedule, sound: PolicyReplay, policy: Policy, plant: Plant
) -> Iterator[FaultReplay]:
    """Yield the replay of the fault as of its date, or as of each date where it has none, and of the period after.

    A fault has no period after it as of the last date, and no champion before it as of the first: neither is replayed.
    Raises ParamsError for a date that is not the start of such a period.
    """
    periods = list(schedule.periods())
    possible = [number for number, start, _ in periods[1:-1] if plant.at in (None, start)]
    if not possible:
        raise ParamsError(
            f"--plant {plant}: no period but the first and the last starts then; the starts are "
            f"{', '.join(f'{start:%Y-%m-%d}' for _, start, _ in periods[1:-1])}"
        )
    for number in possible:
        serving, found = sound.periods[number - 1].serving, list[Period]()
        for at, fault in ((number, plant.fault), (number + 1, None)):
            _, start, end = periods[at]
            passes = list(policy.passes(engine, View(start, fault), serving, schedule.begins_month(at)))
            serving = _serving(serving, passes)
            found.append(_period(engine, start, end, passes, serving))
        values = [sound.periods[at].value for at in (number, number + 1)]
        log.info("%s, %s: %.4f, sound %.4f", sound.policy, plant.fault, found[0].value, values[0])
        yield FaultReplay(policy=sound.policy, fault=plant.fault, periods=found, sound=values)


def _serving(before: Deployed, passes: Sequence[ReplayedPass]) -> Deployed:
    shipped = [done.made for done in passes if done.ships and done.made is not None]
    return shipped[-1] if shipped else before


def _period(engine: Engine, start: datetime, end: datetime, passes: list[ReplayedPass], serving: Deployed) -> Period:
    score = engine.score(serving.serves, start, end)
    return Period(
        start=start.isoformat(),
        end=end.isoformat(),
        passes=passes,
        serving=serving,
        value=score.value,
        n_users=score.n_users,
    )
