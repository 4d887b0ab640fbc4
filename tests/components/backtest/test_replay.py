"""Policies over the periods of a shop in which old models go stale."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.backtest.engine import Engine
from components.backtest.faults import Plant
from components.backtest.policies import POLICIES
from components.backtest.replay import PolicyReplay, Schedule, replay, replay_fault
from components.errors import ParamsError
from tests.components.backtest.support import day

SCHEDULE = Schedule.of(day(56), day(91), "7d")  # a new fortnight begins on days 56, 70 and 84
Engines = Callable[..., Engine]


def run(engine: Engine, name: str, schedule: Schedule = SCHEDULE) -> PolicyReplay:
    return replay(engine, schedule, name, POLICIES[name])


def test_periods_follow_each_other_in_days_and_months() -> None:
    assert [(a, b) for _, a, b in SCHEDULE.periods()] == [(day(n), day(n + 7)) for n in range(56, 91, 7)]
    first, last = datetime(2013, 11, 1, tzinfo=UTC), datetime(2014, 2, 15, tzinfo=UTC)
    months = Schedule.of(first, last, "month")
    assert [f"{start:%Y-%m-%d}" for start in months.starts] == ["2013-11-01", "2013-12-01", "2014-01-01"]
    assert months.end == datetime(2014, 2, 1, tzinfo=UTC)


def test_a_month_begins_with_its_first_period() -> None:
    schedule = Schedule.of(datetime(2011, 6, 1, tzinfo=UTC), datetime(2011, 8, 10, tzinfo=UTC), "7d")
    first = [f"{start:%m-%d}" for number, start in enumerate(schedule.starts) if schedule.begins_month(number)]
    assert first == ["07-06", "08-03"]


@pytest.mark.parametrize("every", ["week", "0d", "-1d", "d", "7"])
def test_another_form_of_period_is_refused(every: str) -> None:
    with pytest.raises(ParamsError, match=f"--every {every}: expected a number of days such as 7d, or month"):
        Schedule.of(day(0), day(90), every)


def test_a_span_without_a_period_is_refused() -> None:
    with pytest.raises(ParamsError, match="--from 2026-02-26 --to 2026-03-01: no period of --every 7d fits"):
        Schedule.of(day(56), day(59), "7d")


def test_what_is_never_retrained_goes_stale(engine: Engine) -> None:
    never, newest = run(engine, "never"), run(engine, "newest")
    assert len({period.serving.model.key for period in never.periods}) == 1
    assert [len(period.passes) for period in never.periods] == [1, 0, 0, 0, 0]
    assert len({period.serving.model.key for period in newest.periods}) == 5
    fresh, stale = ([period.value for period in found.periods] for found in (newest, never))
    assert fresh[1] > stale[1]  # day 63: a week of the fortnight is known
    assert fresh[3] > stale[3]
    ends = [period.serving.model.fit_end for period in newest.periods]
    assert ends == [int(start.timestamp() * 1e6) for _, start, _ in SCHEDULE.periods()]


def test_policies_share_fits(engine: Engine) -> None:
    run(engine, "newest")
    fits = set((engine.cache.folder / "fits").iterdir())
    run(engine, "once")
    assert set((engine.cache.folder / "fits").iterdir()) == fits


def test_a_replay_that_goes_on_gives_the_same(engine: Engine) -> None:
    before = run(engine, "newest")
    for kind in ("scores", "passes"):
        shutil.rmtree(engine.cache.folder / kind)
    after = run(engine, "newest")
    assert [p.value for p in after.periods] == [p.value for p in before.periods]
    assert [p.serving.model for p in after.periods] == [p.serving.model for p in before.periods]
    assert run(engine, "newest") == after


def test_a_retrain_ships_only_in_a_new_month_and_only_if_better(engine: Engine) -> None:
    schedule = Schedule.of(day(56), day(98), "7d")  # 26 February; 5 March and 2 April begin a month
    found = run(engine, "superiority", schedule)
    judged = {number: [(p.purpose, p.verdict) for p in period.passes] for number, period in enumerate(found.periods)}
    assert judged[0] == [("retrain", "promote")]
    assert judged[1][0][0] == "retrain"
    assert [judged[number] for number in (2, 3, 4)] == [[], [], []]
    for period in found.periods[1:]:
        for done in period.passes:
            assert (done.gain is not None and done.gain[1] > 0) == done.ships
            assert done.reasons
            assert (period.serving == done.made) == done.ships


def test_a_fault_lasts_for_one_date(engine: Engine) -> None:
    sound = run(engine, "newest")
    (found,) = replay_fault(engine, SCHEDULE, sound, POLICIES["newest"], Plant("gap", day(63)))
    assert [period.start for period in found.periods] == [day(63).isoformat(), day(70).isoformat()]
    assert found.periods[0].serving.model.fault == "gap"
    assert found.periods[0].value < found.sound[0] == sound.periods[1].value
    assert found.periods[1].serving.model == sound.periods[2].serving.model


def test_a_fault_without_a_date_is_planted_as_of_each(engine: Engine) -> None:
    sound = run(engine, "newest")
    found = list(replay_fault(engine, SCHEDULE, sound, POLICIES["newest"], Plant("prices")))
    assert [planted.periods[0].start for planted in found] == [day(n).isoformat() for n in (63, 70, 77)]
    assert [planted.periods[0].value for planted in found] == [planted.sound[0] for planted in found]  # EASE: no prices


def test_a_fault_needs_a_period_before_and_after(engine: Engine, tmp_path: Path) -> None:
    sound = run(engine, "newest")
    with pytest.raises(ParamsError, match=r"--plant gap@2026-02-26: .* the starts are 2026-03-05, 2026-03-12, 2026-03"):
        list(replay_fault(engine, SCHEDULE, sound, POLICIES["newest"], Plant("gap", day(56))))
