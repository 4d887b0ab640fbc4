"""Users who return to their own items or categories: few exchanged users or items are enough to break that link."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from components.monitoring.aggregates import create_recent
from components.monitoring.data_checks import PREFIX, check_data
from components.monitoring.user_checks import ReturnCounts, compare_returns, count_returns
from components.params import DataChecksParams
from tests.components.monitoring.support import SHIFT, catalogue, visits, write_snapshot

PARAMS = DataChecksParams()
AS_OF = SHIFT + timedelta(days=28)


def test_pairs_are_counted_once_and_only_of_users_with_a_history(tmp_path: Path) -> None:
    """Of the newest week: a returns to i1 (two events, one pair) and meets i2; b is new; a view shown is no event."""
    days = [("a", 1, 20), ("a", 1, 3), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1), ("c", 3, 20), ("c", 3, 10)]
    events = [
        {"user_id": user, "item_id": f"sku-{item}", "event": "purchase"}
        | {"timestamp": (AS_OF - timedelta(days=day)).replace(tzinfo=None)}
        for user, item, day in days
    ]
    events += [event | {"event": "impression", "user_id": "c"} for event in events[:3]]
    snapshot = write_snapshot(tmp_path, events, catalogue())
    with duckdb.connect() as connection:
        create_recent(connection, snapshot, AS_OF, 84)
        week = {part.key: part for part in count_returns(connection, snapshot) if part.span == 7}
    assert week["items"] == ReturnCounts(7, "items", n=2, n_own=1, base_n=1, base_own=1)
    assert week["categories"] == ReturnCounts(7, "categories", n=2, n_own=1, base_n=1, base_own=1)


def test_fewer_returns_are_measured_with_a_prior() -> None:
    (found,) = compare_returns([ReturnCounts(28, "items", 1000, 100, 500, 200)], 84, PARAMS)
    assert found.value == pytest.approx((400 + 30) / (100 + 30))
    assert found.value > found.limit
    (few,) = compare_returns([ReturnCounts(28, "items", 50, 0, 50, 20)], 84, PARAMS)
    assert few.value < few.limit  # 20 returns are too few to say


@pytest.mark.parametrize(("covered", "base_n"), [(83, 500), (84, 0)])
def test_a_short_history_and_no_pairs_before_are_not_compared(covered: int, base_n: int) -> None:
    assert list(compare_returns([ReturnCounts(28, "items", 1000, 100, base_n, 0)], covered, PARAMS)) == []


@pytest.mark.parametrize(("shift", "exchanged", "refused"), [(0.0, False, False), (0.5, False, False), (0, True, True)])
def test_exchanged_users_are_refused_and_a_shift_of_taste_is_not(
    tmp_path: Path, shift: float, exchanged: bool, refused: bool
) -> None:
    """No other check sees that users have one another's events: each count of days and of items is the same."""
    rows = visits(1, shift_share=shift)
    if exchanged:
        start = (AS_OF - timedelta(days=28)).replace(tzinfo=None)
        other = {f"user-{u}": f"user-{(u * 7 + 3) % 300}" for u in range(300)}
        rows = [row | {"user_id": other[row["user_id"]]} if row["timestamp"] >= start else row for row in rows]
    narrow = [product | {"category": product["category"].split(" > ")[0]} for product in catalogue()]
    checks = check_data(write_snapshot(tmp_path, rows, narrow), AS_OF, PARAMS, 1.0)
    assert [check.name for check in checks.failed] == [f"{PREFIX}returning users"] * refused
