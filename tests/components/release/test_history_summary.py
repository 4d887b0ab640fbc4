"""Each deployment's expectation and what came true, with values computed by hand."""

import math

import pytest

from components.contracts import Interval
from components.release.history_summary import summarise
from tests.components.release.outcome_rows import on, outcome, served, simple

Z = 1.959964
ROWS = [
    *(outcome(day, 0.30, window="expected") for day in range(4)),
    outcome(4, 0.20),
    outcome(5, 0.30, n_users=300, error=0.1 / math.sqrt(300)),
    outcome(6, None),
    simple(4, 0.15, 0.05),
    simple(5, 0.15, 0.15, n_users=300),
]


def test_a_deployment_with_its_expectation_and_what_came_true() -> None:
    (found,) = summarise([served(1, 4, 7)], ROWS, "ndcg_at_10", 0.95)
    assert (found.number, found.version, found.action, found.is_refresh) == (1, 1, "promote", False)
    assert (found.since, found.until) == (on(4).isoformat(), None)
    assert found.gain == Interval(gain=0.02, low=0.01, high=0.03, n_users=500)
    assert found.expected is not None
    reach = Z * 0.1 / math.sqrt(400)  # each user's standard deviation is 0.1
    assert found.expected.model_dump() == pytest.approx(
        {"mean": 0.30, "low": 0.30 - reach, "high": 0.30 + reach, "n_users": 400, "n_days": 4}
    )
    assert found.live is not None
    spread = 100 * 0.075**2 + 300 * 0.025**2  # of two days: 1 degree of freedom
    reach = Z * math.sqrt(spread / 400)
    assert found.live.model_dump() == pytest.approx(
        {"mean": 0.275, "low": 0.275 - reach, "high": 0.275 + reach, "n_users": 400, "n_days": 2}
    )
    (other,) = found.simple_models
    assert (other.model, other.level.mean) == ("popularity", pytest.approx(0.15))
    assert other.lead.mean == pytest.approx(0.125)


def test_a_deployment_without_days_has_no_level() -> None:
    first, second = summarise([served(1, 4, 4), served(2, 4, 5)], [], "ndcg_at_10", 0.95)
    assert (first.expected, first.live, first.simple_models) == (None, None, [])
    assert (first.until, second.until) == (on(4).isoformat(), None)


def test_days_of_other_deployments_metrics_and_periods_do_not_count() -> None:
    rows = [
        outcome(4, 0.2), outcome(4, 0.9, number=2), outcome(4, 0.9, metric="mrr_at_5"),
        outcome(6, 0.9),  # recorded before a rollback ended the period on day 6
    ]  # fmt: skip
    (found, _) = summarise([served(1, 4, 6), served(2, 6, 7)], rows, "ndcg_at_10", 0.95)
    assert found.live is not None
    assert found.live.model_dump() == pytest.approx(
        {"mean": 0.2, "low": 0.2 - Z * 0.01, "high": 0.2 + Z * 0.01, "n_users": 100, "n_days": 1}
    )


def test_a_version_that_serves_again_has_the_same_expectation() -> None:
    periods = [served(1, 4, 5), served(2, 5, 6), served(3, 6, 7, version=1, action="rollback")]
    one, two, three = summarise(periods, ROWS, "ndcg_at_10", 0.95)
    assert one.expected == three.expected is not None
    assert two.expected is None
