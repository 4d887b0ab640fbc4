"""Means over several days of per-user values, from each day's mean, standard error and number of users.

Users of one day share the day: an offer, a holiday. So the variance is the larger of two estimates: that of users
within days, and that of the days' means around their common mean (each weighted by its users: weighted least squares).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist


@dataclass(frozen=True)
class Day:
    """The mean of a day's users, and its standard error (None with one user)."""

    mean: float
    error: float | None
    n_users: int


@dataclass(frozen=True)
class Days:
    """Several days, each with at least one user."""

    days: Sequence[Day]

    @cached_property
    def n_users(self) -> int:
        """Return the sum of the days' users."""
        return sum(day.n_users for day in self.days)

    @cached_property
    def mean(self) -> float:
        """Return the mean over users of all days."""
        return sum(day.mean * day.n_users for day in self.days) / self.n_users

    @cached_property
    def spread(self) -> float:
        """Return the weighted sum of squares of the days' means around their common mean."""
        return sum(day.n_users * (day.mean - self.mean) ** 2 for day in self.days)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided normal interval of the mean."""
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(_variance([self]) / self.n_users)
        return self.mean - reach, self.mean + reach


def upper_bound(days: Days, confidence: float) -> float:
    """Return the one-sided upper bound of the mean (t, days - 1 degrees of freedom); infinity with fewer than 2."""
    return days.mean + _reach([days], 1 / days.n_users, confidence)


def upper_bound_of_difference(later: Days, earlier: Days, share: float, confidence: float) -> float:
    """Return the one-sided upper bound of later's mean minus `share` of earlier's; infinity with fewer than 3 days.

    Both periods have the same variance (pooled; t, all days - 2 degrees of freedom): an expectation from a single day
    counts, with the variation of days as the other period shows it.
    """
    weight = 1 / later.n_users + share**2 / earlier.n_users
    return later.mean - share * earlier.mean + _reach([later, earlier], weight, confidence)


def _reach(groups: Sequence[Days], weight: float, confidence: float) -> float:
    from scipy.stats import t

    freedom = sum(len(group.days) for group in groups) - len(groups)
    if freedom < 1:
        return math.inf
    return float(t.ppf(confidence, freedom)) * math.sqrt(_variance(groups) * weight)


def _variance(groups: Sequence[Days]) -> float:
    """Return the variance of one user's value: the larger of that within days and that of the days' means."""
    days = [day for group in groups for day in group.days]
    known = [(day.n_users, day.n_users * day.error**2) for day in days if day.error is not None]
    within = sum(n * variance for n, variance in known) / sum(n for n, _ in known) if known else 0.0
    freedom = len(days) - len(groups)
    between = sum(group.spread for group in groups) / freedom if freedom > 0 else 0.0
    return max(within, between)
