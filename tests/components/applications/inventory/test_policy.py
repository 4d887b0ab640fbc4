"""Orders and actions for products with known quantiles."""

import numpy as np

from components.applications.inventory.policy import OrderRule, critical_ratio, plan_orders, suggest_actions

RULE = OrderRule(lead_time_days=14, review_days=7, service_level=0.9, holding_cost=0.25)
SHARES = np.array([0.5, 0.9])
PROTECTION = np.tile([21.0, 30.0], (4, 1))  # units over lead time and review
PER_DAY = np.ones(4)
STOCK = np.array([10.0, 31.0, np.nan, 400.0])


def test_orders_by_hand() -> None:
    orders = plan_orders(PER_DAY, PROTECTION, SHARES, STOCK, RULE)
    assert orders.reorder_point.tolist() == [30] * 4
    assert orders.order_up_to.tolist() == [37] * 4
    assert orders.order_quantity.tolist() == [27, 0, 7, 0]
    np.testing.assert_array_equal(orders.days_of_cover, [10, 31, np.nan, 400])
    np.testing.assert_array_equal(orders.stockout_probability, [1, 0, np.nan, 0])


def test_a_higher_service_level_asks_for_more_stock() -> None:
    points = [
        plan_orders(PER_DAY, PROTECTION, SHARES, STOCK, OrderRule(14, 7, level, 0.25)).reorder_point[0]
        for level in (0.5, 0.7, 0.9)
    ]
    np.testing.assert_allclose(points, [21, 25.5, 30])


def test_actions() -> None:
    orders = plan_orders(PER_DAY, PROTECTION, SHARES, STOCK, RULE)
    gaps = np.array([1, 1e-9, 1e-9, 1])
    assert suggest_actions(orders, STOCK, PER_DAY, PER_DAY, gaps) == ["order", "none", "check stock", "discount"]
    assert suggest_actions(orders, STOCK, PER_DAY, 5 * PER_DAY, np.ones(4))[2] == "stop ordering"


def test_critical_ratio() -> None:
    assert critical_ratio(9) == 0.9
