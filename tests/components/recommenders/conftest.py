"""Small parameters, and makers of users and events from plain lists."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.contracts import EVENTS, Interactions, Users
from components.params import Params, load
from components.ragged import Ragged
from components.times import DAY_US, HOUR_US
from tests.components.recommenders.support import SMALL


@pytest.fixture(scope="session")
def params() -> Params:
    """Return params.yaml, models made small."""
    return load(Path(__file__).parents[3] / "params.yaml", overrides=SMALL)


@pytest.fixture(scope="session")
def users_of() -> Callable[..., Users]:
    """Return a maker of users from their histories, oldest first, such as users_of([[1, 2], []])."""

    def make(rows: list[list[int]], events: list[list[str]] | None = None, weight: float = 1.0) -> Users:
        offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
        items = np.array([i for r in rows for i in r], dtype=np.int32)
        names = [e for r in events for e in r] if events else ["purchase"] * len(items)
        codes = np.array([EVENTS.index(e) for e in names], dtype=np.int8)
        times = np.arange(len(items), dtype=np.int64) * HOUR_US
        history = Ragged(offsets, items, times, codes, np.full(len(items), weight, np.float32))
        return Users(np.zeros(len(rows), np.int32), history, now=HOUR_US * (len(items) + 1))

    return make


@pytest.fixture(scope="session")
def events_of() -> Callable[..., Interactions]:
    """Return a maker of training events from (user_idx, item_idx, event, weight, age in days) rows, sorted by user."""

    def make(rows: list[tuple[int, int, str, float, float]], n_users: int, n_items: int) -> Interactions:
        now = 1000 * DAY_US
        return Interactions(
            user_idx=np.array([r[0] for r in rows], np.int32),
            item_idx=np.array([r[1] for r in rows], np.int32),
            timestamp=np.array([now - int(r[4] * DAY_US) for r in rows], np.int64),
            event=np.array([EVENTS.index(r[2]) for r in rows], np.int8),
            weight=np.array([r[3] for r in rows], np.float32),
            n_users=n_users,
            n_items=n_items,
            now=now,
        )

    return make
