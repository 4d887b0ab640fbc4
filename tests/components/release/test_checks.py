"""The rules of checks, and what a decision's list of checks must be."""

import math
from pathlib import Path
from typing import Any

import pytest

from components.contracts import ChampionRef, Check, Decision, Evaluation
from components.release.checks import contradictions, holds
from tests.components.release.gate_cases import Case, first
from tests.components.release.refresh_cases import RefreshCase
from tests.components.release.support import evaluation_of


@pytest.mark.parametrize(
    ("name", "value", "limit", "high", "expected"),
    [
        ("gain over champion", 0.01, 0.0, None, True),
        ("gain over champion", 0.0, 0.0, None, False),
        ("latency", 50.0, 50.0, None, True),
        ("latency", 50.1, 50.0, None, False),
        ("coverage", 0.01, 0.01, None, True),
        ("coverage", 0.009, 0.01, None, False),
        ("users", 99.0, 100.0, None, False),
        ("slice user:cold", -0.03, -0.02, 0.01, True),
        ("slice user:cold", -0.03, -0.02, -0.01, False),
        ("slice user:cold", -0.03, -0.02, None, False),
        ("slice user:cold", -0.01, -0.02, None, True),
        ("never rolled back", 0.0, 1.0, None, False),
        ("not worse than champion", 0.0, 0.0, None, True),
        ("not worse than champion", -0.001, 0.0, None, False),
        ("not worse than champion", -0.001, 0.0, -0.001, False),
        ("not worse than champion", -0.001, 0.0, 0.0, True),
        ("within the margin of champion", -0.01, -0.02, -0.005, True),
        ("within the margin of champion", -0.03, -0.02, 0.001, True),
        ("within the margin of champion", -0.03, -0.02, -0.001, False),
        ("possible loss", -0.05, -0.05, 0.1, True),
        ("possible loss", -0.06, -0.05, 0.1, False),
        ("possible loss", -0.06, -0.05, 0.0, False),
        ("possible loss", -0.06, -0.05, -0.01, True),
        ("possible loss", -0.06, -0.05, None, False),
        ("losses since the last retrain", -0.04, -0.03, -0.01, False),
        ("losses since the last retrain", -0.04, -0.03, 0.01, True),
        ("level of the champion", -0.4, -0.3, -0.1, False),
        ("agreement with the champion", 0.3, 0.3, None, True),
        ("concentration", 0.51, 0.5, None, False),
        ("score scale", 5.0, 5.0, None, True),
        ("score scale", None, 5.0, None, False),
        ("data: volume", 2.1, 2.0, None, False),
        ("data: volume", 1.0, 2.0, None, True),
        ("drift is computable", None, 1.0, None, False),
        ("coverage", math.nan, 0.0, None, False),
        ("latency", 1.0, math.inf, None, False),
        ("latency", -math.inf, 1.0, None, False),
    ],
)
def test_the_rule_of_each_check(
    name: str, value: float | None, limit: float, high: float | None, expected: bool
) -> None:
    assert holds(name, value, limit, high) is expected


def judged(case: Case) -> tuple[Decision, Evaluation]:
    decision, evaluation = case.decide(), case.evaluation()
    assert decision.verdict == "promote"
    assert contradictions(decision, evaluation) == []
    return decision, evaluation


def changed(decision: Decision, name: str, **changes: Any) -> Decision:
    checks = [c.model_copy(update=changes) if c.name == name else c for c in decision.checks]
    assert checks != decision.checks
    return decision.model_copy(update={"checks": checks})


def missing(name: str) -> list[str]:
    """Return what is said of a decision without this check; of the guardrails on the data, any one must be there."""
    return [f"{('data: ' if name.startswith('data: ') else name)!r} is missing"]


def test_each_check_of_the_gate_is_required(case: Case) -> None:
    """Of a decision beside a champion, and of a first one; the least slice may be left out: it looks too small."""
    decision, evaluation = judged(case)
    for check in decision.checks:
        rest = [c for c in decision.checks if c != check]
        found = contradictions(decision.model_copy(update={"checks": rest}), evaluation)
        assert found == missing(check.name) or check.name == "slice user:cold"
    first(case)
    decision, evaluation = judged(case)
    for check in decision.checks:
        rest = [c for c in decision.checks if c != check]
        found = contradictions(decision.model_copy(update={"checks": rest}), evaluation)
        assert found == missing(check.name)


def test_a_decision_without_any_slice_is_refused(case: Case) -> None:
    decision, evaluation = judged(case)
    rest = [c for c in decision.checks if not c.name.startswith("slice")]
    assert contradictions(decision.model_copy(update={"checks": rest}), evaluation) == ["'slices' is missing"]


def test_numbers_that_do_not_pass_are_found(case: Case) -> None:
    decision, evaluation = judged(case)
    for name, value in (("gain over popularity", -0.1), ("latency", 99.0), ("coverage", 0.0), ("users", 1.0)):
        (found,) = contradictions(changed(decision, name, value=value), evaluation)
        assert found == f"{name!r} says passed: true, its numbers say otherwise"
    doubled = decision.model_copy(update={"checks": [*decision.checks, decision.checks[0]]})
    assert contradictions(doubled, evaluation) == [f"{decision.checks[0].name!r} is there 2 times"]
    (found,) = contradictions(changed(decision, "gain over champion", value=0.5), evaluation)
    assert found.startswith("the gain is")


def test_each_check_of_a_refresh_is_required(tmp_path: Path) -> None:
    case = RefreshCase(tmp_path)
    decision, evaluation = case.decide_refresh(), case.evaluation()
    assert decision.verdict == "refresh"
    assert contradictions(decision, evaluation) == []
    for check in decision.checks:
        rest = [c for c in decision.checks if c != check]
        found = contradictions(decision.model_copy(update={"checks": rest}), evaluation)
        assert found == missing(check.name) or check.name == "slice user:cold"


def test_a_decision_must_be_of_the_purpose_of_its_evaluation(case: Case, tmp_path: Path) -> None:
    retrained, refreshed = case.decide(), RefreshCase(tmp_path).decide_refresh()
    (found,) = contradictions(refreshed, case.evaluation())
    assert found == "the decision is of a refresh, its evaluation of a retrain"
    (found,) = contradictions(retrained, RefreshCase(tmp_path).evaluation())
    assert found == "the decision is of a retrain, its evaluation of a refresh"


@pytest.mark.parametrize("name", ["possible loss", "not worse than champion"])
def test_the_checks_of_a_refresh_are_about_its_gain(tmp_path: Path, name: str) -> None:
    case = RefreshCase(tmp_path)
    decision = changed(case.decide_refresh(), name, value=0.5)
    (found,) = contradictions(decision, case.evaluation())
    assert found.startswith("the gain is")
    assert name in found


def test_checks_of_an_earlier_release_without_a_bound_are_read() -> None:
    check = Check.model_validate({"name": "slice a", "passed": True, "value": 0.1, "limit": 0.0, "why": ""})
    assert check.high is None
    assert evaluation_of(ChampionRef(version=1, digest="c", model="als")).champion is not None
