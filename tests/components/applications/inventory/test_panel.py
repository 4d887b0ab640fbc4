"""Demand by product and week, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from components.applications.inventory.panel import build_panel
from components.applications.inventory.returns import cancel_returned
from components.errors import ContractError
from components.times import DAY_US

END = int(pd.Timestamp("2026-01-29").value // 1000)  # four whole weeks after 2026-01-01
ROWS = [
    ("u1", "a", "2025-12-31", "purchase", 9.0, 2.0),  # before the first whole week
    ("u1", "a", "2026-01-02", "purchase", 3.0, 2.0),
    ("u1", "a", "2026-01-02 00:10", "return", 1.0, 2.0),  # cancels one of the three
    ("u2", "a", "2026-01-10", "purchase", 2.0, 4.0),
    ("u1", "a", "2026-01-26", "return", 2.0, 2.0),  # too late: the customer wanted it
    ("u2", "b", "2026-01-27", "purchase", np.nan, np.nan),  # one unit, at the mean price
    ("u2", "b", "2026-01-27", "view", np.nan, np.nan),
    ("u3", "never sold", "2026-01-27", "view", np.nan, np.nan),
    ("u3", "b", "2026-01-29", "purchase", 5.0, 1.0),  # after the end
]


def events(rows: list[tuple[str, str, str, str, float, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "event", "quantity", "price"])
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], format="ISO8601"))


def test_units_lines_and_value_of_each_week() -> None:
    panel = build_panel(events(ROWS), END, 7, 7)
    assert panel.item_id == ["a", "b"]
    np.testing.assert_array_equal(panel.quantity, [[2, 2, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(panel.lines, [[1, 1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(panel.value, [[4, 8, 0, 0], [0, 0, 0, 8 / 3]])
    np.testing.assert_array_equal(panel.views, [[0, 0, 0, 0], [0, 0, 0, 1]])
    assert panel.starts[-1] == END - 7 * DAY_US
    assert panel.first.tolist() == [0, 3]
    assert panel.counts["returns_matched"] == 1
    assert panel.counts["before_first_period"] == 1


def test_nothing_after_the_end_is_read() -> None:
    whole, cut = build_panel(events(ROWS), END, 7, 7), build_panel(events(ROWS[:-1]), END, 7, 7)
    np.testing.assert_array_equal(whole.quantity, cut.quantity)


def test_a_shop_without_purchases_is_refused() -> None:
    with pytest.raises(ContractError, match="expected purchases over 7 days or more"):
        build_panel(events(ROWS[6:8]), END, 7, 7)


def test_a_return_cancels_the_newest_purchases_first() -> None:
    rows = [
        ("u1", "a", "2026-01-02", "purchase", 3.0, 1.0),
        ("u1", "a", "2026-01-03", "purchase", 2.0, 1.0),
        ("u1", "a", "2026-01-04", "return", 4.0, 1.0),
        ("", "a", "2026-01-05", "purchase", 1.0, 1.0),
        ("", "a", "2026-01-05", "return", 1.0, 1.0),  # of nobody known: matches nothing
    ]
    sold = cancel_returned(events(rows), 7)
    assert sold.rows["quantity"].tolist() == [1.0, 1.0]
    assert sold.counts == {
        "purchases": 3, "returns": 2, "returns_matched": 1, "purchases_cancelled": 1, "purchases_without_quantity": 0,
    }  # fmt: skip
