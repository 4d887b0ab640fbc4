"""Histories as a model reads them: known products with weighted events, oldest first, the newest ones."""

from pathlib import Path

import pytest

from components.contracts import EVENTS, Users
from components.release.bundle import Bundle, open_bundle
from components.serving.inference.histories import HistoryRow, build_user, build_users, rows_of_user, to_rows
from components.serving.schemas import HistoryEvent
from components.serving.storage.event_store import StoredEvent


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


def test_a_user_has_the_known_events_in_order_of_time(opened: Bundle) -> None:
    history = [
        HistoryEvent(item_id="sku-3", event="purchase", timestamp="2026-02-03T00:00:00Z"),
        HistoryEvent(item_id="gone", event="view", timestamp="2026-02-02T00:00:00Z"),
        HistoryEvent(item_id="sku-2", event="cart", timestamp="2026-02-02T00:00:00Z"),  # has no weight in this bundle
        HistoryEvent(item_id="sku-1", event="view", timestamp="2026-02-01T02:00:00+02:00"),
    ]
    users = build_user(opened, to_rows(history))
    assert users.history.item_idx.tolist() == [1, 3]
    assert users.history.timestamp.tolist() == [1769904000000000, 1770076800000000]
    assert users.history.weight.tolist() == [pytest.approx(0.3), 1.0]
    assert users.history.event.tolist() == [EVENTS.index("view"), EVENTS.index("purchase")]
    assert users.now > 1770076800000000


def test_a_history_without_times_keeps_its_order_and_the_newest_events_count(opened: Bundle) -> None:
    users = build_user(opened, to_rows([HistoryEvent(item_id=f"sku-{i}") for i in [5, 4, 3] * 20]))
    assert len(users.history.item_idx) == opened.info.max_history
    assert users.history.item_idx.tolist()[-3:] == [5, 4, 3]
    assert set(users.history.weight.tolist()) == {1.0}


def test_stored_events_and_the_context_item_become_rows() -> None:
    rows = to_rows([StoredEvent("ann", 7, "sku-1", "cart")], "sku-2")
    assert rows == [HistoryRow("sku-1", "cart", 7), HistoryRow("sku-2", "view", 7)]
    assert to_rows([], "sku-2") == [HistoryRow("sku-2", "view", None)]


def test_rows_of_a_user_build_the_same_user(opened: Bundle) -> None:
    """Event kinds and times are kept, too: the challenger scores the same history."""
    user = build_user(opened, [HistoryRow("sku-1", "view", 10**15), HistoryRow("sku-2", "purchase", 2 * 10**15)])
    again = build_user(opened, rows_of_user(opened, user))
    for field in ("item_idx", "event", "timestamp", "weight"):
        assert getattr(again.history, field).tolist() == getattr(user.history, field).tolist()


def test_a_block_of_users_is_what_its_users_are_one_by_one(opened: Bundle) -> None:
    start = opened.info.validation_end
    stored = [
        [(start - 2, "sku-3", "purchase"), (start - 1, "gone", "view"), (start + 5, "sku-1", "view")],
        [],
        [(start - 3, "sku-2", "cart")],  # has no weight in this bundle
        [(start - 4, "sku-2", "view")],
    ]
    block = build_users(opened, stored)
    alone = [build_user(opened, [HistoryRow(item, event, at) for at, item, event in rows]) for rows in stored]
    wanted = Users.concat(alone)
    for field in ("offsets", "item_idx", "timestamp", "event", "weight"):
        found, expected = getattr(block.history, field), getattr(wanted.history, field)
        assert found.tolist() == expected.tolist()
        assert found.dtype == expected.dtype
    assert block.history.lengths.tolist() == [2, 0, 0, 1]
    assert (len(block), block.now) == (4, wanted.now)
