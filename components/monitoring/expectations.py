"""What the weeks before lead one to expect of the newest days, and how far these are from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.monitoring.aggregates import DailyCounts, Floats
from components.params import DataChecksParams

WEEK = 7
MIN_WEEKS = 2  # reference weeks below which nothing is expected
MIN_COUNT = 30  # events, items or users below which shares and medians are not judged


@dataclass(frozen=True)
class Deviation:
    """One distance from what is expected."""

    value: float
    limit: float
    text: str  # "returns of the last 7 days: 12 events, expected 120"

    @property
    def ratio(self) -> float:
        """Return the distance relative to its limit."""
        return self.value / self.limit if self.limit else (np.inf if self.value else 0.0)


def reference_weeks(days: DailyCounts, span: int, params: DataChecksParams) -> list[slice]:
    """Return the days of each week before the span that are on its days of the week; [] for a short history."""
    first = max(1, span // WEEK)
    weeks = [slice(WEEK * i, WEEK * i + min(span, WEEK)) for i in range(first, first + params.weeks)]
    known = [week for week in weeks if week.stop <= days.n_covered]
    return known if len(known) >= MIN_WEEKS else []


def expected_count(counts: Floats, weeks: list[slice], span: int) -> float:
    """Return the count that the weeks lead one to expect in the span."""
    return float(np.median([counts[week].sum() for week in weeks]) * max(1, span // WEEK))


def factor(n: float, expected: float, prior: float) -> float:
    """Return how many times more or fewer there are than expected; `prior` is added to both."""
    ratio = (n + prior) / (expected + prior)
    return float(max(ratio, 1 / ratio))


def describe_span(span: int) -> str:
    """Return "the last day", or "the last 7 days"."""
    return "the last day" if span == 1 else f"the last {span} days"
