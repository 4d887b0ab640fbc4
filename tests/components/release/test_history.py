"""What served when, and the table of outcomes in the ledger."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.release.history import History, is_complete, served_periods
from components.release.ledger import Ledger
from tests.components.release.outcome_rows import deployment, outcome, simple, us
from tests.support import ROOT


def periods(*deployments: object, as_of: float = 20) -> list[tuple[int, float, float]]:
    """Return (number, start, end) with times in days."""
    found = served_periods(deployments, us(as_of))  # type: ignore[arg-type]
    return [(p.deployment.number, (p.start - us(0)) / us_day, (p.end - us(0)) / us_day) for p in found]


us_day = us(1) - us(0)


def test_a_deployment_serves_until_the_next_one_starts() -> None:
    assert periods(deployment(1, 2), deployment(2, 5.5), deployment(3, 9)) == [(1, 2, 5.5), (2, 5.5, 9), (3, 9, 20)]


def test_two_deployments_in_a_day_share_it() -> None:
    assert periods(deployment(1, 2.25), deployment(2, 2.75), as_of=3) == [(1, 2.25, 2.75), (2, 2.75, 3)]


def test_a_deployment_that_is_replaced_at_once_has_an_empty_period() -> None:
    assert periods(deployment(1, 2), deployment(2, 2)) == [(1, 2, 2), (2, 2, 20)]


def test_a_rollback_serves_the_earlier_version_again() -> None:
    back = deployment(3, 6, version=1, action="rollback")
    found = served_periods([deployment(1, 2), deployment(2, 4), back], us(8))
    assert [(p.deployment.version, p.start, p.end) for p in found] == [
        (1, us(2), us(4)), (2, us(4), us(6)), (1, us(6), us(8)),
    ]  # fmt: skip


def test_what_never_served_has_no_period() -> None:
    assert periods(deployment(1, 2), deployment(2, 4, state="abandoned"), deployment(3, 5, state="intent")) == [
        (1, 2, 20)
    ]


def test_what_starts_after_the_run_has_no_period_yet() -> None:
    """As of day 3, the champion of day 5 does not serve yet: a run of an earlier date."""
    assert periods(deployment(1, 2), deployment(2, 5), as_of=3) == [(1, 2, 3)]


def test_a_deployment_of_an_earlier_date_ends_the_one_before_it() -> None:
    assert periods(deployment(1, 7), deployment(2, 3)) == [(1, 7, 3), (2, 3, 20)]


def test_a_deployment_of_version_0_3_starts_at_the_machines_time() -> None:
    old = deployment(1, None, at="2026-01-03T00:00:00+00:00")
    assert periods(old, deployment(2, 5)) == [(1, 2, 5), (2, 5, 20)]


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert History(tmp_path / "nowhere").outcomes() == []
    assert not (tmp_path / "nowhere").exists()


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [outcome(3, 0.1 + 0.2), simple(3, 1 / 3, -0.05), outcome(4, None)]
    assert History(tmp_path).add(rows) == 3
    assert History(tmp_path).outcomes() == rows


def test_the_same_rows_are_written_once_and_a_later_state_of_a_day_replaces_the_earlier(tmp_path: Path) -> None:
    history = History(tmp_path)
    half = outcome(3, 0.25, until="2026-01-04T06:00:00+00:00")
    assert [history.add([half]), history.add([half]), history.add([outcome(3, 0.3)])] == [1, 0, 1]
    assert history.outcomes() == [outcome(3, 0.3)]
    db = sqlite3.connect(tmp_path / "ledger.db")
    assert db.execute("SELECT mean FROM outcomes ORDER BY row").fetchall() == [(0.25,), (0.3,)]
    db.close()


def test_windows_deployments_models_and_metrics_are_separate_rows(tmp_path: Path) -> None:
    rows = [
        outcome(3, 0.2), outcome(3, 0.2, window="expected"), outcome(3, 0.2, number=2),
        outcome(3, 0.2, metric="mrr_at_5"), simple(3, 0.2, 0.0), outcome(3.5, 0.2),
    ]  # fmt: skip
    assert History(tmp_path).add(rows) == len(rows) == len(History(tmp_path).outcomes())


@pytest.mark.parametrize("statement", ["UPDATE outcomes SET mean = 9", "DELETE FROM outcomes"])
def test_rows_cannot_be_changed(tmp_path: Path, statement: str) -> None:
    History(tmp_path).add([outcome(3, 0.2)])
    db = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    db.close()


def test_the_history_and_the_deployments_share_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.close(ledger.begin("promote", 7, None, "d", None), "done", "")
    History(tmp_path).add([outcome(3, 0.2)])
    ledger.close(ledger.begin("promote", 8, 7, "e", None), "done", "")
    assert [d.version for d in ledger.deployments()] == [7, 8]
    assert len(History(tmp_path).outcomes()) == 1


def test_a_damaged_ledger_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    with pytest.raises(ReleaseError, match=r"ledger\.db: .*restore a copy"):
        History(tmp_path).outcomes()
    with pytest.raises(ReleaseError, match=r"ledger\.db"):
        History(tmp_path).add([outcome(3, 0.2)])


def test_a_process_killed_before_the_rows_are_committed_has_written_none(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from components.release.history import History; "
        "from tests.components.release.outcome_rows import outcome; "
        f"History(Path({str(tmp_path)!r})).add([outcome(3, 0.2), outcome(4, 0.3)])"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "CRASH_AT": "history:written"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == -signal.SIGKILL
    assert History(tmp_path).outcomes() == []
    assert History(tmp_path).add([outcome(3, 0.2)]) == 1


def test_a_day_is_complete_when_it_is_recorded_to_its_end() -> None:
    rows = [outcome(3, 0.2), outcome(4, 0.2, until="2026-01-05T06:00:00+00:00")]
    assert is_complete(rows, 1, us(3), us(4), "ndcg_at_10")
    assert not is_complete(rows, 1, us(4), us(5), "ndcg_at_10")
    assert not is_complete(rows, 2, us(3), us(4), "ndcg_at_10")
    assert not is_complete(rows, 1, us(3), us(4), "mrr_at_10")
    assert not is_complete([outcome(3, 0.2, window="expected")], 1, us(3), us(4), "ndcg_at_10")
