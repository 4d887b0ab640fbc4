"""Users to look at, from both stores."""

import pytest

from components.serving.storage import user_sample
from components.serving.storage.event_store import StoredEvent
from components.serving.storage.user_sample import sample_users
from components.times import DAY_US

from .support import Open

NOW = 100 * DAY_US


def events(user: str, *days_ago: int) -> list[StoredEvent]:
    return [StoredEvent(user, NOW - ago * DAY_US + n, "i", "view") for n, ago in enumerate(days_ago)]


def test_each_kind_by_its_events(opened: Open) -> None:
    store = opened()
    assert sample_users(store, 3) == ([], [], [], [])
    rows = events("busy", 40, 3, 2, 1, 0) + events("fresh", 1, 0) + events("back", 30, 2) + events("gone", 60, 40)
    store.put(rows).result()
    found = sample_users(store, 2, seed=1)
    assert [user.user_id for user in found.active] == ["busy", "fresh"]
    assert [user.n_recent for user in found.active] == [4, 2]
    assert [user.user_id for user in found.new] == ["fresh"]
    assert [user.user_id for user in found.returning] == ["busy", "back"]
    assert len({user.user_id for user in found.random}) == 2
    assert sample_users(store, 2, seed=1) == found
    assert {u.user_id for seed in range(20) for u in sample_users(store, 1, seed).random} == {
        "busy",
        "fresh",
        "back",
        "gone",
    }


def test_a_large_store_is_read_in_blocks_from_random_ids(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_sample, "N_ANCHORS", 3)
    monkeypatch.setattr(user_sample, "BLOCK", 2)
    store = opened()
    store.put([StoredEvent(f"U{n:03d}", NOW, "i", "view") for n in range(100)]).result()
    seen = {user.user_id for seed in range(30) for user in sample_users(store, 6, seed).random}
    assert len(seen) > 30  # not always the first ones
    assert seen <= {f"U{n:03d}" for n in range(100)}
