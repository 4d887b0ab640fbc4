"""Users of a period with their histories and targets, from the small snapshot of conftest.py."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.data.later_events import LaterEvents, later_events
from components.data.split import make_split
from components.data.tables import read_users
from components.params import SplitParams, load
from components.times import to_micros
from tests.support import ROOT

SPLIT = {"target_events": ["purchase"], "weights": {"view": 0.3, "cart": 0.5, "purchase": 1.0}, "max_history": 2}


def at(day: int, hour: int = 0) -> int:
    return to_micros(datetime(2026, 1, day, hour, tzinfo=UTC))


def split_params(**changes: object) -> SplitParams:
    section = load(ROOT / "params.yaml").split
    return SplitParams.model_validate(section.model_dump() | SPLIT | changes)


def read_later_events(snapshot: Path, start: int, end: int, split: SplitParams, memory_gib: float) -> LaterEvents:
    with later_events(snapshot, split, memory_gib) as read:
        return read(start, end)


@pytest.fixture
def events(snapshot: Path) -> LaterEvents:
    return read_later_events(snapshot, at(18), at(28), split_params(), 1.0)


def test_users_with_targets_on_a_day_and_their_histories_before_it(events: LaterEvents) -> None:
    """On the 19th ann buys d; before it she bought a and c and viewed b: the newest two are b and c."""
    users = events.users_between(at(19), at(20))
    assert events.item_ids == ["", "a", "b", "c", "d"]
    assert (users.user_idx.tolist(), users.now) == ([0], at(19))
    assert users.history.row(0).tolist() == [2, 3]
    assert users.history.weight.tolist() == pytest.approx([0.3, 1.0])
    assert users.ground_truth.row(0).tolist() == [4]


def test_the_start_belongs_to_the_period_and_the_end_does_not(events: LaterEvents) -> None:
    assert events.users_between(at(20), at(21)).ground_truth.item_idx.tolist() == [3]  # bob at 00:00 of the 20th
    assert events.users_between(at(19, 12), at(20)).ground_truth.item_idx.tolist() == [4]
    assert len(events.users_between(at(21), at(25))) == 0


def test_events_within_the_period_become_history_of_later_days(events: LaterEvents) -> None:
    """cid buys d on the 18th and a on the 25th."""
    users = events.users_between(at(25), at(26))
    assert [users.history.row(i).tolist() for i in range(len(users))] == [[4]]
    assert users.ground_truth.item_idx.tolist() == [1]


def test_the_users_are_those_of_the_split_for_the_same_window(snapshot: Path, tmp_path: Path) -> None:
    section = split_params(test_days=7, validation_days=7, max_history=50)
    out = tmp_path / "split"
    out.mkdir()
    make_split(snapshot, out, section, datetime(2026, 1, 28, tzinfo=UTC), 1.0)
    expected = read_users(out, "test")
    found = read_later_events(snapshot, at(21), at(28), section, 1.0).users_between(at(21), at(28))
    assert len(found) == len(expected) > 0
    for name in ("offsets", "item_idx", "timestamp", "event", "weight"):
        assert np.array_equal(getattr(found.history, name), getattr(expected.history, name)), name
        assert np.array_equal(getattr(found.ground_truth, name), getattr(expected.ground_truth, name)), name


def test_a_period_without_targets_has_no_users(snapshot: Path) -> None:
    events = read_later_events(snapshot, at(21), at(22), split_params(), 1.0)
    assert len(events.users_between(at(21), at(22))) == 0
