"""When the champion falls short: expected 0.30 on days 0 to 6, live from day 7 on, judged over 7 days."""

from collections.abc import Sequence

import numpy as np
import pytest

from components.params import HistoryParams
from components.release.alarm import find_alarms, same_recipe
from components.release.history import DayOutcome, Served
from tests.components.release.outcome_rows import outcome, served, simple, us

LIMITS = HistoryParams(alarm_days=7, max_loss=0.1)
EXPECTED = [outcome(day, 0.30, window="expected") for day in range(7)]
SERVING = [served(1, 7, 14)]


def alarms(rows: Sequence[DayOutcome], periods: Sequence[Served] = SERVING, as_of: float = 14) -> list[str]:
    return find_alarms(periods, rows, "ndcg_at_10", LIMITS, us(as_of))


def live(*means: float | None, start: int = 7, **changes: object) -> list[DayOutcome]:
    return [outcome(start + n, mean, **changes) for n, mean in enumerate(means)]


def test_a_champion_that_meets_its_expectation_raises_no_alarm() -> None:
    assert alarms([*EXPECTED, *live(*[0.30] * 7)]) == []


def test_a_champion_far_below_its_expectation_is_named_with_the_numbers() -> None:
    (reason,) = alarms([*EXPECTED, *live(*[0.20] * 7)])
    assert reason == (
        "version 1, 7 days to 2026-01-15: ndcg_at_10 is 0.2000 (700 users), 33% below the 0.3000 of the held-out days; "
        "history.max_loss allows 10%"
    )


def test_a_loss_within_the_allowance_raises_no_alarm() -> None:
    """0.27 is the limit; the standard error over 700 users is 0.1 x sqrt(1.81 / 700) = 0.005, times t(12) = 2.68."""
    assert alarms([*EXPECTED, *live(*[0.26] * 7)]) == []
    assert len(alarms([*EXPECTED, *live(*[0.256] * 7)])) == 1


def test_days_that_vary_need_a_larger_loss() -> None:
    """The same mean of 0.20, but days between 0.02 and 0.38: 0.27 is within their variation."""
    assert alarms([*EXPECTED, *live(0.02, 0.38, 0.02, 0.38, 0.02, 0.38, 0.20)]) == []


def test_fewer_days_than_alarm_days_raise_no_alarm() -> None:
    rows = [*EXPECTED, *live(*[0.05] * 6, start=8)]
    assert alarms(rows, [served(1, 8, 14)]) == []


def test_only_whole_days_are_judged() -> None:
    """As of 18:00 of day 14 the judged days are still 7 to 13; the bad hours of day 14 do not count."""
    rows = [*EXPECTED, *live(*[0.30] * 7), outcome(14, 0.0, until="2026-01-15T18:00:00+00:00", n_users=100_000)]
    assert alarms(rows, [served(1, 7, 14.75)], as_of=14.75) == []


def test_a_bad_week_long_ago_raises_no_alarm() -> None:
    rows = [*EXPECTED, *live(*[0.1] * 7), *live(*[0.30] * 7, start=14)]
    assert alarms(rows, [served(1, 7, 21)], as_of=21) == []


def test_refreshes_are_judged_together_by_the_expectation_of_the_first_day() -> None:
    """A new version each night, each expected lower than the one before: the first one's 0.30 counts."""
    nights = [served(n, 6 + n, 7 + n, is_refresh=n > 1) for n in range(1, 8)]
    rows = list(EXPECTED)
    for n in range(1, 8):
        own = {"number": n, "version": n, "digest": f"digest {n}"}
        rows += [outcome(6 + n, 0.2, **own), *(outcome(day, 0.2, window="expected", **own) for day in range(n, 6 + n))]
    rows = [o for o in rows if not (o.window == "expected" and o.version == 1 and o.mean == 0.2)]
    assert [reason[:10] for reason in alarms(rows, nights)] == ["version 7,"]


def test_a_new_recipe_starts_anew() -> None:
    periods = [served(1, 7, 10), served(2, 10, 14)]
    rows = [*EXPECTED, *live(*[0.1] * 3), *live(*[0.1] * 4, start=10, number=2, version=2, digest="digest 2")]
    assert alarms(rows, periods) == []
    assert [p.deployment.number for p in same_recipe(periods)] == [2]


def test_a_rollback_starts_anew() -> None:
    periods = [served(1, 7, 9), served(2, 9, 10), served(3, 10, 14, version=1, action="rollback")]
    assert [p.deployment.number for p in same_recipe(periods)] == [3]


def test_a_recipe_that_was_refreshed_at_once_is_judged_by_the_refresh() -> None:
    periods = [served(1, 7, 7), served(2, 7, 14, is_refresh=True)]
    own = {"number": 2, "version": 2, "digest": "digest 2"}
    expected = [outcome(day, 0.30, window="expected", **own) for day in range(7)]
    assert len(alarms([*expected, *live(*[0.1] * 7, **own)], periods)) == 1


def test_below_a_simple_model_is_shown_by_the_paired_lead() -> None:
    worse = [simple(7 + n, 0.33, -0.03 + 0.001 * n) for n in range(7)]
    (reason,) = alarms([*live(*[0.30] * 7), *worse])
    assert reason == (
        "version 1, 7 days to 2026-01-15: ndcg_at_10 is 0.3000 (700 users), below the 0.3300 of popularity"
    )
    uncertain = [simple(7 + n, 0.33, 0.10 * (-1) ** n - 0.03) for n in range(7)]
    assert alarms([*live(*[0.30] * 7), *uncertain]) == []


def test_a_season_that_lowers_both_models_within_the_allowance_raises_no_alarm() -> None:
    both = [simple(7 + n, 0.10, 0.18) for n in range(7)]
    assert alarms([*EXPECTED, *live(*[0.28] * 7), *both]) == []


@pytest.mark.parametrize(
    "rows",
    [[], EXPECTED, live(*[0.3] * 7), [*EXPECTED, *live(*[None] * 7)], [*EXPECTED, *live(*[0.1] * 7, metric="x")]],
)
def test_without_rows_to_compare_there_is_no_alarm(rows: list[DayOutcome]) -> None:
    assert alarms(rows) == []


def test_a_shop_without_a_champion_has_no_alarm() -> None:
    assert alarms([], []) == []


def test_sound_weeks_raise_few_alarms() -> None:
    """Quality as expected, days that vary by 15 %: at 99 % and an allowance of 10 % hardly a week in 1,000 alarms."""
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(1000):
        means = 0.30 * (1 + rng.normal(0, 0.15, 14))
        rows = [outcome(n, float(m), window="expected" if n < 7 else "live") for n, m in enumerate(means)]
        found += bool(alarms(rows))
    assert found <= 10
