"""What the record of the serving version says of the refreshes before."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.contracts import ChampionRef, Interval
from components.errors import ReleaseError, TamperedError
from components.release.promotion import promote, read_decision
from components.release.refresh_history import (
    RefreshHistory,
    chance_bound,
    history_after,
    read_history,
    standard_error,
)
from tests.components.release.refresh_cases import RefreshCase
from tests.components.release.support import Decide, Registered, evaluation_of, promote_each, refreshed

REF = ChampionRef(version=1, digest="c" * 64, model="ease")


@pytest.fixture
def refresh_case(tmp_path: Path) -> RefreshCase:
    return RefreshCase(tmp_path)


def attach(registered: Registered, version: int, file: Path) -> None:
    """Add the file to the version's record under the name that the flow gives it."""
    named = file.parent / f"attached-{version}" / "decision.json"
    named.parent.mkdir()
    shutil.copyfile(file, named)
    registered[0].attach(version, named)


def test_the_history_is_in_the_record_of_the_version_that_serves(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    one = decide(1)
    attach(registered, 1, one)
    promote(one, registry, settings)
    assert read_history(registry.version(1), registry, 0.95) == RefreshHistory()
    file = decide(2, **refreshed())
    attach(registered, 2, file)
    found = read_history(registry.version(2), registry, 0.95)
    assert found.total == 0.02
    assert found.error == pytest.approx(0.03 / 1.644854, rel=1e-5)  # the bound is 0.05
    assert (found.level, found.question) == (0.25, "global_time")
    promote(file, registry, settings)
    attach(registered, 3, decide(3))
    assert read_history(registry.version(3), registry, 0.95) == RefreshHistory()  # a retrain begins anew


def test_an_edited_record_is_refused(registered: Registered, decide: Decide) -> None:
    registry = registered[0]
    promote_each(registered, decide, 1)
    file = decide(2, **refreshed())
    file.write_text(file.read_text().replace("0.02", "0.20"))
    attach(registered, 2, file)
    with pytest.raises(TamperedError, match=r"decision\.json in the registry is not the one"):
        read_history(registry.version(2), registry, 0.95)


def test_a_version_without_a_decision_has_no_history(registered: Registered) -> None:
    assert read_history(registered[0].version(3), registered[0], 0.95) == RefreshHistory()


def test_a_refresh_without_its_sum_is_an_error(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1)
    decision = read_decision(decide(2, **refreshed() | {"checks": []}))[0]
    with pytest.raises(ReleaseError, match="no sum of losses"):
        history_after(decision, evaluation_of(REF, "refresh"), 0.95)


def test_a_series_of_refreshes_adds_up(refresh_case: RefreshCase) -> None:
    """Each of five nights loses 0.9 %, within the margin and not shown: the fourth would make it more than 3 %."""
    case = refresh_case
    case.lose(0.009)
    verdicts = []
    for _ in range(5):
        decision = case.decide_refresh()
        verdicts.append(decision.verdict)
        if decision.verdict == "refresh":
            case.history = history_after(decision, case.evaluation(), 0.95)
    assert verdicts == ["refresh", "refresh", "refresh", "keep", "keep"]
    assert case.history.total == pytest.approx(-0.027, abs=1e-6)
    assert case.history.level == pytest.approx(float(np.mean(case.values["ease"])), abs=1e-6)


def test_standard_error_and_bound() -> None:
    assert standard_error(Interval(gain=0.1, low=0.002, high=0.198, n_users=9), 0.95) == pytest.approx(0.05, rel=1e-3)
    assert chance_bound(-0.1, 0.05, 0.95) == pytest.approx(-0.1 + 1.644854 * 0.05, rel=1e-5)
