"""Both gates decide by the question about time that the evaluation answers: gate.primary."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.refresh_history import RefreshHistory
from tests.components.release.gate_cases import Case, N, failed
from tests.components.release.refresh_cases import RefreshCase

LEVEL_AT = "2026-02-22T00:00:00+00:00"  # a week before the evaluation


def test_the_values_of_the_question_that_was_asked_decide(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.set("gate.primary=next_event")
    case.changes = {"question": "next_event"}
    decision = case.decide()
    assert (decision.verdict, decision.question) == ("promote", "next_event")
    assert f"{N} test users of slice next_event, gate.min_users is 100" in " ".join(decision.reasons)
    case.changes = {}
    with pytest.raises(ReleaseError, match=r"global_time, gate.primary is next_event: run `carousel retrain`"):
        case.decide()
    case.set()
    assert case.decide().question == "global_time"
    assert "next_event" not in case.decide().model_dump_json()


def test_levels_by_two_questions_are_not_compared(tmp_path: Path) -> None:
    case = RefreshCase(tmp_path)
    case.set("gate.primary=next_event")
    case.changes |= {"question": "next_event"}
    case.history = RefreshHistory(level=0.7, level_at=LEVEL_AT)
    decision = case.decide_refresh()
    assert (decision.verdict, decision.question) == ("refresh", "next_event")
    assert f"{N} users of slice next_event in the holdout" in " ".join(decision.reasons)
    case.history = replace(case.history, question="next_event")
    assert failed(case.decide_refresh()) == ["level of the champion"]
