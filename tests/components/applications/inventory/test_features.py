"""Features at the start of a period, by hand; nothing at or after it is read."""

import numpy as np
import pytest

from components.applications.inventory.features import masked_mean, recent_mean, sum_groups, take_features, weekday
from components.applications.inventory.panel import Panel
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US

N_PERIODS = 30


def panel(quantity: np.ndarray, views: np.ndarray | None = None, days: int = 7) -> Panel:
    zero = np.zeros_like(quantity)
    starts = np.arange(quantity.shape[1], dtype=np.int64) * days * DAY_US
    found = Panel(
        [f"p{n}" for n in range(len(quantity))], quantity, np.sign(quantity), 2 * quantity,
        zero if views is None else views, zero, np.full(quantity.shape, NEVER, np.int32), starts, days,
    )  # fmt: skip
    return found.with_groups({"category_1": ["a", "a", "b"]})


def demand() -> np.ndarray:
    quantity = np.ones((3, N_PERIODS), np.float32)
    quantity[1] = 0
    quantity[1, ::5] = 10
    quantity[2, 15:] = 4
    return quantity


def test_the_future_changes_no_feature() -> None:
    changed = demand()
    changed[:, 20:] = 99
    before, after = take_features(panel(demand()), 20), take_features(panel(changed), 20)
    np.testing.assert_array_equal(before.values, after.values)
    np.testing.assert_array_equal(before.level, after.level)


def test_values_by_hand() -> None:
    found = take_features(panel(demand()), 20)
    column = {name: found.values[:, n] for n, name in enumerate(found.names)}
    assert column["gap"].tolist() == [0, 4, 0]  # the second product sold last in period 15
    assert column["lag_1"] * found.level == pytest.approx([1, 0, 4])
    assert column["mean_4"] * found.level == pytest.approx([1, 0, 4])
    assert column["sold_share"] == pytest.approx([1, 2 / 13, 1])
    assert column["price_ratio"] == pytest.approx([1, 1, 1])
    assert column["log_price"] == pytest.approx(np.log([2.01] * 3))
    assert "views" not in column  # the shop records none
    assert column["category_1_1"][0] == column["category_1_1"][1]
    assert column["shop_1"].tolist() == [column["shop_1"][0]] * 3
    lines = np.sign(demand())[:, 7:20].sum(axis=0)
    assert column["shop_1"][0] == pytest.approx(lines[-1] / lines.mean())


def test_views_are_features_where_the_shop_has_them() -> None:
    views = demand() * 3
    found = take_features(panel(demand(), views), 20)
    assert {"views", "views_trend"} <= set(found.names)
    assert "carts" not in found.names


def test_recent_means() -> None:
    assert recent_mean(panel(demand()), 20) == pytest.approx([1.1, 20 / 13 + 0.1, (8 * 1 + 5 * 4) / 13 + 0.1])
    mask = np.array([[True, False, True], [False, False, False]])
    values = np.array([[1, 9, 5], [2, 2, 2]], np.float32)
    assert masked_mean(values, mask, 3).tolist() == [3.0, 0.0]
    assert masked_mean(values, mask, 2).tolist() == [5.0, 0.0]


def test_groups_and_weekdays() -> None:
    assert sum_groups(np.array([[1.0], [2.0], [4.0]]), np.array([0, 1, 0])).tolist() == [[5.0], [2.0]]
    daily = panel(demand(), days=1)
    assert [weekday(daily, n) for n in (0, 3, 4, 40)] == [3, 6, 0, 1]  # 1970-01-01 was a Thursday
