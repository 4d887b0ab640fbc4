"""Which gate decides, and what a refresh reads beside its evaluation."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components import io
from components.contracts import Check, Decision
from components.errors import ReleaseError
from components.monitoring.data_checks import DataChecks
from components.release.gate import Contenders, Measurements
from components.release.verdict import decide
from tests.components.release.gate_cases import Case, failed
from tests.components.release.refresh_cases import BAD_DATA, GOOD_DATA, RefreshCase
from tests.components.release.support import Decide, Registered, promote_each

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)


def judged(case: Case, registered: Registered, data_checks: Path) -> Decision:
    """Decide on version 2 beside version 1, which serves."""
    registry = registered[0]
    case.champion = registry.ref(1)
    challenger = registry.ref(2).model_copy(update={"model": "ease"})
    measured = Measurements(case.evaluation(), "e" * 64, case.write(), case.drift, case.latency_ms)
    return decide(measured, Contenders(challenger, case.champion), data_checks, case.params, registry, False, AT)


def write(folder: Path, *checks: Check) -> Path:
    io.write_record(folder / "data_checks.json", DataChecks(checks=checks, notes=()))
    return folder / "data_checks.json"


def test_the_purpose_chooses_the_gate(registered: Registered, decide: Decide, case: Case, tmp_path: Path) -> None:
    promote_each(registered, decide, 1)
    retrained = judged(case, registered, tmp_path / "none.json")
    assert (retrained.purpose, retrained.verdict) == ("retrain", "promote")


def test_a_refresh_reads_the_data_checks(registered: Registered, decide: Decide, tmp_path: Path) -> None:
    promote_each(registered, decide, 1)
    registered[0].tag(1, "decision_digest", "")  # as of a champion without a recorded decision
    case = RefreshCase(tmp_path)
    good = judged(case, registered, write(tmp_path, GOOD_DATA))
    assert (good.purpose, good.verdict) == ("refresh", "refresh")
    bad = BAD_DATA.model_copy(update={"name": "data: x"})
    assert failed(judged(case, registered, write(tmp_path, GOOD_DATA, bad))) == ["data: x"]
    with pytest.raises(ReleaseError, match="run the stage `drift` again"):
        judged(case, registered, tmp_path / "none.json")
