"""Each fault in the counts by day is beyond its limit, and a steady shop is within all of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from components.monitoring import day_checks
from components.monitoring.aggregates import COLUMNS, DailyCounts
from components.monitoring.expectations import Deviation
from components.params import DataChecksParams, Params
from tests.components.monitoring.counts import PURCHASE, VIEW, daily, products

Check = Callable[[DailyCounts, DataChecksParams], Iterable[Deviation]]
CHECKS: list[Check] = [
    day_checks.compare_volume,
    day_checks.find_missing_days,
    day_checks.compare_kinds,
    day_checks.compare_activity,
    day_checks.compare_nulls,
    day_checks.compare_repeats,
]


def last(n_days: int) -> np.ndarray:
    return np.arange(84) < n_days


def doubled(days: DailyCounts) -> DailyCounts:
    return replace(days, n=np.where(last(7)[:, None], 4 * days.n, days.n))


def closed(days: DailyCounts) -> DailyCounts:
    return replace(days, n=np.where(last(4)[:, None], 0.0, days.n))


def all_purchases(days: DailyCounts) -> DailyCounts:
    n = days.n.copy()
    n[:7, PURCHASE] += n[:7, VIEW]
    n[:7, VIEW] = 0
    return replace(days, n=n)


def more_per_user(days: DailyCounts) -> DailyCounts:
    return replace(days, log_events=np.where(last(7), days.user_days * np.log(4), days.log_events))


def without_users(days: DailyCounts) -> DailyCounts:
    nulls = days.nulls.copy()
    nulls[:7, VIEW, COLUMNS.index("user_id")] = days.n[:7, VIEW] / 2
    return replace(days, nulls=nulls)


def repeated(days: DailyCounts) -> DailyCounts:
    return replace(days, repeats=np.where(last(7), 0.3 * days.actions, 0.0))


FAULTS = [doubled, closed, all_purchases, more_per_user, without_users, repeated]


def worst(check: Check, days: DailyCounts, params: Params) -> float:
    """Return the largest distance relative to its limit; the check must compare something."""
    found = list(check(days, params.data_checks))
    assert found
    return max(deviation.ratio for deviation in found)


@pytest.mark.parametrize(("check", "fault"), list(zip(CHECKS, FAULTS, strict=True)), ids=[f.__name__ for f in FAULTS])
def test_a_fault_is_beyond_the_limit_and_a_steady_shop_is_not(
    check: Check, fault: Callable[[DailyCounts], DailyCounts], params: Params
) -> None:
    assert worst(check, daily(84), params) < 0.7
    assert worst(check, fault(daily(84)), params) > 1


@pytest.mark.parametrize("check", CHECKS)
def test_a_short_history_is_not_compared(check: Check, params: Params) -> None:
    assert list(check(daily(10), params.data_checks)) == []


def test_one_busy_day_may_have_more_and_no_day_too_few(params: Params) -> None:
    days = daily(84)
    for times, n_beyond in ((4, 0), (9, 1), (0, 0)):
        n = days.n.copy()
        n[0] *= times
        first = next(iter(day_checks.compare_volume(replace(days, n=n), params.data_checks)))
        assert "the last day" in first.text
        assert (first.value > first.limit) == bool(n_beyond), times


def test_nan_and_infinity_are_counted_without_a_history(params: Params) -> None:
    days = daily(10)
    sound = list(day_checks.find_not_finite(days, products()))
    assert [d.value for d in sound] == [0.0, 0.0]
    days.not_finite[3, 0] = 2
    events, of_products = day_checks.find_not_finite(days, replace(products(), not_finite=1))
    assert (events.value, events.limit, of_products.value) == (2.0, 0.0, 1.0)
    assert "2 events with NaN or infinity in" in events.text
    assert len(list(day_checks.find_not_finite(days, None))) == 1
