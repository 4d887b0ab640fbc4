"""Means over days with values computed by hand."""

import math

import numpy as np
import pytest
from scipy.stats import t

from components.evaluation.day_statistics import Day, Days, upper_bound, upper_bound_of_difference

EVEN = Days([Day(0.2, 0.01, 100), Day(0.4, 0.01, 300)])  # variance of a user: 0.01 and 0.03


def test_the_mean_weighs_each_day_by_its_users() -> None:
    assert EVEN.n_users == 400
    assert EVEN.mean == pytest.approx(0.35)
    assert EVEN.spread == pytest.approx(100 * 0.15**2 + 300 * 0.05**2)


def test_days_that_differ_more_than_their_users_widen_the_interval() -> None:
    """Between days: 3.0 / 1 degree of freedom; within: (100 x 0.01 x 100 x 0.01 ...) far below."""
    low, high = EVEN.interval(0.95)
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(3.0 / 400))
    assert (low + high) / 2 == pytest.approx(0.35)


def test_one_day_has_the_interval_of_its_users() -> None:
    assert Days([Day(0.3, 0.02, 50)]).interval(0.95) == pytest.approx((0.3 - 0.0391993, 0.3 + 0.0391993))


def test_days_that_agree_have_the_interval_of_all_their_users() -> None:
    days = Days([Day(0.3, 0.02, 50), Day(0.3, 0.02, 50)])
    assert days.interval(0.95)[1] - 0.3 == pytest.approx(1.959964 * 0.02 / math.sqrt(2))


def test_the_upper_bound_of_three_days() -> None:
    days = Days([Day(-0.03, 0.001, 10), Day(-0.01, 0.001, 10), Day(-0.02, 0.001, 10)])
    variance = 10 * 2 * 0.01**2 / 2
    assert upper_bound(days, 0.99) == pytest.approx(-0.02 + t.ppf(0.99, 2) * math.sqrt(variance / 30))
    assert upper_bound(Days(days.days[:1]), 0.99) == math.inf


def test_the_upper_bound_of_a_difference_pools_the_variance_of_both_periods() -> None:
    later = Days([Day(0.10, 0.001, 20), Day(0.14, 0.001, 20)])
    earlier = Days([Day(0.30, 0.001, 40)])
    variance = 20 * 2 * 0.02**2 / 1
    reach = t.ppf(0.99, 1) * math.sqrt(variance * (1 / 40 + 0.9**2 / 40))
    assert upper_bound_of_difference(later, earlier, 0.9, 0.99) == pytest.approx(0.12 - 0.27 + reach)
    assert upper_bound_of_difference(Days(later.days[:1]), earlier, 0.9, 0.99) == math.inf


def test_a_difference_of_equal_periods_is_shown_in_at_most_the_stated_share() -> None:
    """7 days of 50 users beside 14 days, equal models, days that vary: at 95 % at most 5 % are below."""
    rng = np.random.default_rng(0)

    def days(n: int) -> Days:
        drawn = [rng.normal(0.1 + rng.normal(0, 0.03), 0.2, 50) for _ in range(n)]
        return Days([Day(float(x.mean()), float(x.std(ddof=1) / math.sqrt(50)), 50) for x in drawn])

    below = sum(upper_bound_of_difference(days(7), days(14), 1.0, 0.95) < 0 for _ in range(2000))
    assert 40 <= below <= 115  # 5 % is 100; the larger of two variances makes it a little less
