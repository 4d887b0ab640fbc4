"""What the weeks before lead one to expect: the same days of the week, by their median."""

import math
from dataclasses import replace

import numpy as np
import pytest

from components.monitoring.expectations import (
    Deviation,
    describe_span,
    expected_count,
    factor,
    reference_weeks,
)
from components.params import Params
from tests.components.monitoring.counts import daily


@pytest.mark.parametrize(
    ("span", "first"), [(1, slice(7, 8)), (7, slice(7, 14)), (28, slice(28, 35))], ids=["day", "week", "four weeks"]
)
def test_the_reference_of_a_span_is_on_its_days_of_the_week(params: Params, span: int, first: slice) -> None:
    weeks = reference_weeks(daily(84), span, params.data_checks)
    assert weeks[0] == first
    assert len(weeks) == params.data_checks.weeks == 8
    assert {week.start % 7 for week in weeks} == {0}


def test_a_week_beyond_the_history_is_left_out_and_one_week_is_too_few(params: Params) -> None:
    assert len(reference_weeks(daily(27), 7, params.data_checks)) == 2  # the third is not whole
    assert reference_weeks(daily(20), 7, params.data_checks) == []


def test_the_expectation_is_the_median_so_one_closed_week_changes_nothing(params: Params) -> None:
    days = daily(84, per_day=10)
    weeks = reference_weeks(days, 7, params.data_checks)
    assert expected_count(days.actions, weeks, 7) == 70
    closed = replace(days, n=np.where(np.arange(84)[:, None] // 7 == 2, 0.0, days.n))
    assert expected_count(closed.actions, weeks, 7) == 70
    assert expected_count(days.actions, reference_weeks(days, 28, params.data_checks), 28) == 280


@pytest.mark.parametrize(("n", "expected", "times"), [(70, 20, 2.0), (20, 70, 2.0), (0, 0, 1.0)])
def test_a_factor_counts_more_and_fewer_alike(n: float, expected: float, times: float) -> None:
    assert factor(n, expected, prior=30) == pytest.approx(times)


def test_a_deviation_is_relative_to_its_limit() -> None:
    assert Deviation(3.0, 2.0, "").ratio == 1.5
    assert Deviation(1.0, 0.0, "").ratio == math.inf
    assert Deviation(0.0, 0.0, "").ratio == 0.0


def test_spans_are_named() -> None:
    assert [describe_span(n) for n in (1, 7)] == ["the last day", "the last 7 days"]
