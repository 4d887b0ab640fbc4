"""What decides survives JSON: a metric that is not finite is not lost, and fields that came later have defaults."""

import json
import math

import pytest
from pydantic import ValidationError

from components.records import Check, Decision, DriftVerdict, Interval


def decision() -> Decision:
    return Decision(
        verdict="keep", mode="enabled", bootstrap=False, reasons=["worse"], gain=None, users_needed=None,
        checks=[Check(name="coverage", passed=False, value=math.nan, limit=math.inf, why="not computable")],
        challenger_version=2, challenger_digest="b" * 64, champion=None, primary="ndcg_at_10", as_of="2026-03-01",
        evaluation_digest="e" * 64, decided_at="2026-03-01T00:00:00Z",
    )  # fmt: skip


def test_values_that_are_not_finite_survive_json() -> None:
    (check,) = Decision.model_validate_json(decision().model_dump_json()).checks
    assert check.value is not None
    assert math.isnan(check.value)
    assert check.limit == math.inf


def test_a_decision_without_the_fields_of_later_versions_is_one_of_a_retrain() -> None:
    content = json.loads(decision().model_dump_json())
    for name in ("purpose", "notes", "signature", "users_needed_interval"):
        del content[name]
    assert Decision.model_validate(content).purpose == "retrain"


@pytest.mark.parametrize(
    "change", [{"verdict": "promoted"}, {"mode": "off"}, {"extra": 1}, {"checks": [{"name": "x"}]}]
)
def test_an_unknown_verdict_mode_or_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Decision.model_validate(json.loads(decision().model_dump_json()) | change)


def test_a_drift_verdict_must_say_whether_it_could_be_computed() -> None:
    fields = {"drifted": False, "reasons": [], "columns": {}, "thresholds": {}, "n_reference": 0, "n_current": 0}
    with pytest.raises(ValidationError, match="computable"):
        DriftVerdict.model_validate(fields | {"reference": "none"})


def test_an_interval_is_frozen() -> None:
    interval = Interval(gain=0.1, low=0.0, high=0.2, n_users=10)
    with pytest.raises(ValidationError, match="frozen"):
        interval.low = 0.1  # type: ignore[misc]
