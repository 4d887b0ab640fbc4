"""Who comes back, by hand: users 1 and 2 do; 3 on the same day, 4 too late, 5 too near the end, 0 is anonymous."""

import numpy as np
import pytest

from components.contracts import Interactions
from components.evaluation.retention import measure_retention
from components.times import DAY_US, HOUR_US

ROWS = [  # user, day, hour
    (0, 0, 1), (0, 1, 1), (1, 0, 23), (1, 1, 0), (2, 2, 5), (2, 9, 4), (3, 1, 1), (3, 1, 9), (4, 1, 1), (4, 8, 1),
    (5, 8, 1), (5, 9, 1),
]  # fmt: skip


def events(rows: list[tuple[int, int, int]]) -> Interactions:
    user, day, hour = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return Interactions(
        user_idx=user.astype(np.int32),
        item_idx=np.ones(n, np.int32),
        timestamp=(day * DAY_US + hour * HOUR_US).astype(np.int64),
        event=np.zeros(n, np.int8),
        weight=np.ones(n, np.float32),
        n_users=6,
        n_items=1,
        now=14 * DAY_US,
    )


def test_the_share_of_users_who_come_back_on_a_later_day() -> None:
    found = measure_retention(events(ROWS), 14 * DAY_US)
    assert found is not None
    assert (found.days, found.n_users, found.share) == (7, 4, 0.5)
    shorter = measure_retention(events(ROWS), 14 * DAY_US, days=1)
    assert shorter is not None
    assert (shorter.n_users, shorter.share) == (5, pytest.approx(0.2))  # 5 counts now, and is a second too late


def test_a_window_that_is_too_short_has_none() -> None:
    assert measure_retention(events(ROWS), 6 * DAY_US) is None
    assert measure_retention(events(ROWS[:2]), 14 * DAY_US) is None
