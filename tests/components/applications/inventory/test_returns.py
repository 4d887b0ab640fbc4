"""Returns that cancel purchases, row by row."""

import pandas as pd
import pytest

from components.applications.inventory.returns import cancel_returned

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01 10:00")


def events(*rows: tuple[str | None, str, float, str, float | None]) -> pd.DataFrame:
    """Return events from (user, item, days since START, kind, quantity)."""
    columns = ["user_id", "item_id", "days", "event", "quantity"]
    table = pd.DataFrame(list(rows), columns=columns)
    table["timestamp"] = START + table["days"] * DAY
    return table.assign(price=2.0)


def test_a_soon_return_cancels_the_newest_purchases_first() -> None:
    sold = cancel_returned(
        events(("u", "a", 0, "purchase", 3), ("u", "a", 1, "purchase", 2), ("u", "a", 2, "return", 4)), 7
    )
    assert sold.rows["quantity"].tolist() == [1.0]
    assert sold.counts == {
        "purchases": 2, "returns": 1, "returns_matched": 1, "purchases_cancelled": 1, "purchases_without_quantity": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("purchase", "returned"),
    [
        (("u", "a", 0, "purchase", 3), ("u", "a", 8, "return", 3)),  # too late
        (("u", "a", 0, "purchase", 3), ("v", "a", 1, "return", 3)),  # another user
        (("u", "a", 0, "purchase", 3), ("u", "b", 1, "return", 3)),  # another product
        ((None, "a", 0, "purchase", 3), (None, "a", 1, "return", 3)),  # nobody knows who
        (("u", "a", 1, "purchase", 3), ("u", "a", 0, "return", 3)),  # before it was bought
    ],
)
def test_other_returns_leave_demand_as_it_was(
    purchase: tuple[str | None, str, float, str, float | None],
    returned: tuple[str | None, str, float, str, float | None],
) -> None:
    sold = cancel_returned(events(purchase, returned), 7)
    assert sold.rows["quantity"].tolist() == [3.0]
    assert (sold.counts["returns"], sold.counts["returns_matched"]) == (1, 0)


def test_a_missing_quantity_is_one_and_a_quantity_of_zero_is_left_out() -> None:
    sold = cancel_returned(events(("u", "a", 0, "purchase", None), ("u", "b", 0, "purchase", 0)), 7)
    assert sold.rows[["item_id", "quantity"]].to_numpy().tolist() == [["a", 1.0]]
    assert (sold.counts["purchases_without_quantity"], sold.counts["purchases_cancelled"]) == (1, 0)
