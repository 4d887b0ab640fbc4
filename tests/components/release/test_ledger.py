import sqlite3
import threading
from pathlib import Path

import pytest

from components.contracts import Interval
from components.errors import ReleaseError
from components.release.launch import Launch
from components.release.ledger import TABLE, Deployment, Ledger


def serve(ledger: Ledger, version: int, action: str = "promote") -> Deployment:
    return ledger.close(ledger.begin(action, version, None, f"digest {version}", None), "done", "")  # type: ignore[arg-type]


def chain(ledger: Ledger) -> list[int]:
    return [d.version for d in ledger.serving_stack()]


def test_reading_an_empty_ledger_makes_no_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "nowhere")
    assert (ledger.deployments(), ledger.serving_stack()) == ([], [])
    assert (ledger.open_intent(), ledger.serving_since(1)) == (None, None)
    assert not (tmp_path / "nowhere").exists()


def test_an_intent_counts_as_serving_only_when_done(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    intent = ledger.begin("promote", 7, None, "abc", "def")
    assert ledger.open_intent() == intent
    assert chain(ledger) == []
    done = ledger.close(intent, "done", "service answered")
    assert (done.number, done.state, done.note, done.decision_digest) == (1, "done", "service answered", "def")
    assert ledger.open_intent() is None
    assert Ledger(tmp_path).deployments() == [done]
    assert ledger.serving_since(7) is not None
    assert ledger.serving_since(8) is None


def test_an_abandoned_intent_never_served(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    serve(ledger, 1)
    ledger.close(ledger.begin("promote", 2, 1, "x", None), "abandoned", "why")
    assert chain(ledger) == [1]
    assert [d.state for d in ledger.deployments()] == ["done", "abandoned"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("p1 p2 p3", [1, 2, 3]),
        ("p1 p2 p3 r2", [1, 2]),
        ("p1 p2 p3 r2 r1", [1]),
        ("p1 p2 p3 r1 p4", [1, 4]),
        ("p1 p2 p3 r2 r3", [1, 2, 3]),
        ("p1 p2 p1", [1, 2, 1]),
        ("p1 p2 p1 r2", [1, 2]),
        ("p1 p2 p1 p3 r1", [1, 2, 1]),
    ],
)
def test_the_serving_stack_after_promotions_and_rollbacks(tmp_path: Path, steps: str, expected: list[int]) -> None:
    ledger = Ledger(tmp_path)
    for step in steps.split():
        serve(ledger, int(step[1]), "promote" if step[0] == "p" else "rollback")
    assert chain(ledger) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("p1 p2 p3", ""),
        ("p1 p2 p3 r2", "3"),
        ("p1 p2 p3 r2 r1", "23"),
        ("p1 p2 p3 r1 p4", "23"),
        ("p1 p2 p3 r2 r3", ""),
        ("p1 p2 p1 r2", "1"),
        ("p1 p2 p1 p3 r1", "3"),
    ],
)
def test_rolled_back_bundles_are_those_replaced_by_a_rollback(tmp_path: Path, steps: str, expected: str) -> None:
    ledger = Ledger(tmp_path)
    for step in steps.split():
        serve(ledger, int(step[1]), "promote" if step[0] == "p" else "rollback")
    assert "".join(v for v in "1234" if ledger.rollback_time(f"digest {v}")) == expected


@pytest.mark.parametrize("statement", ["UPDATE deployments SET version = 9", "DELETE FROM deployments"])
def test_rows_cannot_be_changed(tmp_path: Path, statement: str) -> None:
    serve(Ledger(tmp_path), 1)
    db = sqlite3.connect(tmp_path / "ledger.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    db.close()
    assert chain(Ledger(tmp_path)) == [1]


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 100)
    with pytest.raises(ReleaseError, match=r"ledger\.db"):
        Ledger(tmp_path).serving_stack()


def test_a_locked_ledger_is_waited_for_and_no_row_is_lost(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    serve(ledger, 1)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.5, lambda: other.execute("COMMIT"))
    timer.start()
    serve(ledger, 2)
    timer.join()
    other.close()
    assert chain(ledger) == [1, 2]


def test_concurrent_writers_get_different_numbers(tmp_path: Path) -> None:
    serve(Ledger(tmp_path), 1)
    threads = [threading.Thread(target=serve, args=(Ledger(tmp_path), n)) for n in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(d.number for d in Ledger(tmp_path).deployments()) == list(range(1, 10))


def test_the_launch_is_stored_with_the_deployment(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    launch = Launch(since="2026-03-01T00:00:00+00:00", gain=Interval(gain=0.2, low=0.1, high=0.3, n_users=5))
    ledger.close(ledger.begin("promote", 1, None, "a", "b", launch), "done", "")
    serve(ledger, 2)
    assert [d.launch for d in Ledger(tmp_path).deployments()] == [launch, None]


def test_a_ledger_of_version_0_3_is_read_and_continued(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.executescript(TABLE.replace(", launch TEXT", ""))
    db.execute("INSERT INTO deployments VALUES (1, 1, '2026-03-01', 'done', 'promote', 7, NULL, 'd', 'e', '')")
    db.commit()
    db.close()
    ledger = Ledger(tmp_path)
    assert [(d.version, d.launch) for d in ledger.deployments()] == [(7, None)]
    serve(ledger, 8)
    assert chain(ledger) == [7, 8]
