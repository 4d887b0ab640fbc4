"""Which gate decides, and the record of the champion that a refresh reads."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.contracts import Decision
from components.release.contest import Contenders, Measurements
from components.release.verdict import decide
from tests.components.release.gate_cases import BAD_DATA, GOOD_DATA, Case, failed
from tests.components.release.refresh_cases import RefreshCase
from tests.components.release.support import Decide, Registered, promote_each

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)


def judged(case: Case, registered: Registered) -> Decision:
    """Decide on version 2 beside version 1, which serves."""
    registry = registered[0]
    case.champion = registry.ref(1)
    challenger = registry.ref(2).model_copy(update={"model": "ease"})
    measured = Measurements(case.evaluation(), "e" * 64, case.write(), case.drift, case.latency_ms, case.data)
    return decide(measured, Contenders(challenger, case.champion), case.params, registry, False, AT)


@pytest.mark.parametrize(
    ("kind", "purpose", "verdict"), [(Case, "retrain", "promote"), (RefreshCase, "refresh", "refresh")]
)
def test_the_purpose_chooses_the_gate_and_the_data_must_be_sound_for_both(
    registered: Registered, decide: Decide, tmp_path: Path, kind: type[Case], purpose: str, verdict: str
) -> None:
    promote_each(registered, decide, 1)
    registered[0].tag(1, "decision_digest", "")  # as of a champion without a recorded decision
    case = kind(tmp_path)
    good = judged(case, registered)
    assert (good.purpose, good.verdict) == (purpose, verdict)
    case.data = [GOOD_DATA, BAD_DATA.model_copy(update={"name": "data: x"})]
    bad = judged(case, registered)
    assert (bad.purpose, bad.verdict, failed(bad)) == (purpose, "keep", ["data: x"])
