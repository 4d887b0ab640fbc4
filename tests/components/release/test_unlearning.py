"""Who waits to be unlearned, until when, and by which version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.release.unlearning import add_deletion, find_waiting, withdraw

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_version_fitted_later_has_nothing_to_unlearn(tmp_path: Path) -> None:
    add_deletion(tmp_path, ["a", "b"], START, 7)
    waiting = find_waiting(tmp_path, START - DAY, START + DAY)
    assert waiting is not None
    assert (waiting.n_users, waiting.due, waiting.is_overdue) == (2, START + 7 * DAY, False)
    assert find_waiting(tmp_path, START + timedelta(seconds=1), START + DAY) is None
    assert find_waiting(tmp_path, START - DAY, START + DAY) == waiting  # after a rollback it waits again


def test_each_user_counts_once_and_the_oldest_deletion_sets_the_bound(tmp_path: Path) -> None:
    add_deletion(tmp_path, ["a"], START, 7)
    add_deletion(tmp_path, ["a", "b", "c"], START + DAY, 7)
    add_deletion(tmp_path, ["a", "b"], START + 2 * DAY, 7)
    waiting = find_waiting(tmp_path, START - DAY, START + 2 * DAY)
    assert waiting is not None
    assert (waiting.n_users, waiting.due) == (3, START + 7 * DAY)
    later = find_waiting(tmp_path, START + timedelta(hours=1), START + 2 * DAY)
    assert later is not None
    assert (later.n_users, later.due) == (2, START + 8 * DAY)


def test_past_the_bound_it_is_overdue_and_says_so(tmp_path: Path) -> None:
    add_deletion(tmp_path, ["a"], START, 0.5)
    waiting = find_waiting(tmp_path, START, START + DAY)
    assert waiting is not None
    assert waiting.is_overdue
    assert "1 forgotten user waits" in waiting.describe()
    assert "OVERDUE" in waiting.describe()


def test_nothing_waits_where_nobody_was_forgotten_or_nothing_serves(tmp_path: Path) -> None:
    assert find_waiting(tmp_path, START, START) is None
    add_deletion(tmp_path, [], START, 7)
    assert not list(tmp_path.iterdir())
    add_deletion(tmp_path, ["a"], START, 7)
    assert find_waiting(tmp_path, None, START + DAY) is None


def test_a_user_of_whom_nothing_was_found_waits_for_nothing_now_and_later(tmp_path: Path) -> None:
    add_deletion(tmp_path, ["a"], START, 7)
    add_deletion(tmp_path, ["a", "b", "nobody"], START + DAY, 7)
    withdraw(tmp_path, ["a", "nobody"], START + DAY)  # a was found by the call before
    add_deletion(tmp_path, ["a", "b", "nobody"], START + 2 * DAY, 7)
    waiting = find_waiting(tmp_path, START - DAY, START + 2 * DAY)
    assert waiting is not None
    assert (waiting.n_users, waiting.due) == (2, START + 7 * DAY)
    later = find_waiting(tmp_path, START + timedelta(hours=1), START + 2 * DAY)
    assert later is not None
    assert later.n_users == 1
