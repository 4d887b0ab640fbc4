"""What both gates share: a decision names what was compared, and is about the models that serve and are registered."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from components.errors import StaleDecisionError
from components.release.contest import Contenders, Measurements, check_fresh, describe_small_slices, make_decision
from components.release.evidence import Evidence, read_evidence
from tests.components.release.gate_cases import CHALLENGER, CHAMPION, GOOD_DATA, Case

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)


def measured(case: Case) -> tuple[Measurements, Evidence]:
    found = Measurements(case.evaluation(), "e" * 64, case.write(), case.drift, case.latency_ms, case.data)
    return found, read_evidence(found.evaluation, found.per_user, found.latency_ms, case.params)


@pytest.mark.parametrize(
    ("mode", "verdict", "first"), [("enabled", "promote", "shown"), ("disabled", "keep", "gate.mode is disabled")]
)
def test_the_record_of_a_verdict(case: Case, mode: str, verdict: str, first: str) -> None:
    case.set(f"gate.mode={mode}")
    found, evidence = measured(case)
    contenders = Contenders(CHALLENGER, CHAMPION)
    decision = make_decision(found, contenders, evidence, case.params, "promote", ["shown"], [GOOD_DATA], AT)
    assert (decision.verdict, decision.mode, decision.purpose) == (verdict, mode, "retrain")
    assert decision.reasons[0].startswith(first)
    assert decision.reasons[-1] == "shown"
    assert decision.checks == [GOOD_DATA]
    assert (decision.challenger_version, decision.champion) == (CHALLENGER.version, CHAMPION)
    assert decision.gain == evidence.over_champion
    assert (decision.as_of, decision.decided_at) == (found.evaluation.as_of, "2026-03-01T04:00:00+00:00")
    assert (decision.bootstrap, decision.users_needed) == (False, None)


def test_without_a_champion_the_gain_is_that_over_the_best_baseline(case: Case) -> None:
    case.without_champion()
    found, evidence = measured(case)
    decision = make_decision(found, Contenders(CHALLENGER, None), evidence, case.params, "keep", ["x"], [], AT)
    assert decision.gain == evidence.over_baselines["neighbours"]


def test_an_evaluation_of_other_models_is_refused(case: Case) -> None:
    evaluation = case.evaluation()
    check_fresh(evaluation, CHALLENGER, CHAMPION)
    with pytest.raises(StaleDecisionError, match="no champion serves now; run `carousel retrain`"):
        check_fresh(evaluation, CHALLENGER, None)
    with pytest.raises(StaleDecisionError, match="the bundle holds als; run the stage `package` again"):
        check_fresh(evaluation, CHALLENGER.model_copy(update={"model": "als"}), CHAMPION)


def test_slices_that_are_too_small_are_named(case: Case) -> None:
    _, evidence = measured(case)
    small = replace(evidence, small_slices={"language:zh": 5})
    (note,) = describe_small_slices(small, case.params)
    assert note == "slice language:zh was not judged: too few users, 5 of 20 (evaluation.min_slice_users)"
    assert describe_small_slices(replace(evidence, small_slices={}), case.params) == []
