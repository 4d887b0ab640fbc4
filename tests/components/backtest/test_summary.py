"""Numbers of a backtest, by hand."""

import pytest

from components.backtest.passes import ReplayedPass
from components.backtest.replay import FaultReplay, Period
from components.backtest.summary import refusals, summarise_faults, summarise_policies, summarise_rules
from components.contracts import Check
from tests.components.backtest.support import make_backtest, make_replay


def test_policies_are_compared_by_their_means_and_periods() -> None:
    rows = {row.policy: row for row in summarise_policies(make_backtest())}
    assert [rows[name].mean for name in ("never", "superiority", "refresh", "newest")] == pytest.approx(
        [0.4 / 3, 0.15, 0.16, 0.20]
    )
    assert rows["refresh"].over_superiority == pytest.approx(0.16 / 0.15 - 1)
    assert rows["refresh"].over_newest == pytest.approx(-0.2)
    assert rows["refresh"].worst_against_never == pytest.approx(-0.1)  # .09 against .10 in the last period
    assert rows["never"].worst_against_never == 0
    assert [(row.retrains, row.promoted, row.refreshes, row.refused, row.cpu_s) for row in rows.values()] == [
        (0, 0, 0, 0, 10), (1, 0, 0, 0, 20), (0, 0, 2, 1, 30), (0, 0, 0, 0, 30),
    ]  # fmt: skip
    assert rows["newest"].recipes == 1


def test_a_comparison_needs_the_other_policy() -> None:
    backtest = make_backtest()
    (row,) = summarise_policies(backtest.model_copy(update={"replays": [backtest.replays[2]]}))
    assert (row.over_superiority, row.over_newest, row.worst_against_never) == (None, None, None)


def test_only_judged_passes_after_the_opening_are_refusals() -> None:
    found = refusals(make_replay("x", [(0.1, "retrain", "keep"), (0.1, "refresh", "keep"), (0.1, "refit", "error")]))
    assert [(done.purpose, done.verdict) for done in found] == [("refresh", "keep")]


def test_a_fault_costs_what_the_unjudged_policy_loses() -> None:
    (row,) = summarise_faults(make_backtest())
    assert (row.fault, row.policy, row.dates) == ("gap", "refresh", 2)
    assert (row.mean_cost, row.largest_cost) == pytest.approx(((0.5 + 0.02) / 2, 0.5))
    assert (row.costly, row.costly_refused, row.refused, row.shipped_after) == (1, 1, 1, 1)


def test_without_the_unjudged_policy_no_cost_is_known() -> None:
    backtest = make_backtest()
    planted = [found for found in backtest.planted if found.policy == "refresh"]
    assert summarise_faults(backtest.model_copy(update={"planted": planted})) == []


def test_a_period_in_which_nothing_was_right_is_no_divisor() -> None:
    never, newest = (make_replay(name, [(0.0, "", ""), (0.0, "", "")]) for name in ("never", "newest"))
    backtest = make_backtest().model_copy(update={"replays": [never, newest], "planted": []})
    assert [(row.over_newest, row.worst_against_never) for row in summarise_policies(backtest)] == [(None, None)] * 2
    fresh = make_replay("refresh", [(0.1, "", ""), (0.2, "", "")])
    mixed = make_replay("never", [(0.0, "", ""), (0.1, "", "")])
    rows = summarise_policies(backtest.model_copy(update={"replays": [mixed, fresh]}))
    assert rows[1].worst_against_never == pytest.approx(1.0)


def test_a_rule_is_counted_alone_where_no_other_check_refuses() -> None:
    backtest = make_backtest()
    first, second = (planted for planted in backtest.planted if planted.policy == "refresh")
    refused = first.periods[0].passes[0].model_copy(update={"checks": make_checks("level", "volume")})
    planted = [*backtest.planted, first.model_copy(update={"periods": [with_pass(first, refused), first.periods[1]]})]
    rows = {row.rule: row for row in summarise_rules(backtest.model_copy(update={"planted": planted}))}
    assert set(rows) == {"error", "level", "volume"}
    error, level = rows["error"], rows["level"]  # passes of the tables' backtest have no checks
    assert (error.sound, error.sound_alone, error.planted, error.planted_alone, error.costly_alone) == (1, 1, 1, 1, 1)
    assert (level.sound, level.planted, level.planted_alone, level.costly_alone) == (0, 1, 0, 0)
    assert second.periods[0].passes[0].ships  # what ships was refused by nothing


def make_checks(*failed: str) -> tuple[Check, ...]:
    return (
        Check(name="latency", passed=True, value=1.0, limit=2.0, why="fast"),
        *(Check(name=name, passed=False, value=0.0, limit=1.0, why="too low") for name in failed),
    )


def with_pass(planted: FaultReplay, done: ReplayedPass) -> Period:
    return planted.periods[0].model_copy(update={"passes": [done]})
