"""The user table by hand: each column of a user with known events, and nothing of what comes later."""

from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest

from components.applications.marketing.activity import category_counts, hour_counts, order_values, to_log, user_table
from components.applications.marketing.user_columns import COLUMNS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVENTS = [  # user, item, time, event, quantity, price, session
    ("u1", "a", "2026-02-27 09:00:00", "view", None, None, "s1"),
    ("u1", "a", "2026-02-27 09:10:00", "purchase", 2, 10.25, "s1"),
    ("u1", "b", "2026-02-27 09:10:00", "purchase", 1, 4.5, "s1"),
    ("u1", "b", "2026-01-10 20:00:00", "purchase", None, 4.5, None),
    ("u1", "b", "2026-02-28 20:00:00", "return", 1, 4.5, None),
    ("u1", "a", "2026-03-01 00:00:00", "purchase", 9, 10.25, "later"),
    ("u2", "c", "2026-02-22 23:30:00", "click", None, None, None),
    ("u2", "c", "2026-02-22 23:31:00", "impression", None, None, None),
    ("u3", "c", "2026-02-20 10:00:00", "impression", None, None, None),
    (None, "c", "2026-02-20 10:00:00", "purchase", 1, 1.0, None),
]


@pytest.fixture
def shop() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "SET TimeZone = 'UTC'; CREATE TABLE products (item_id VARCHAR, category VARCHAR); "
        "CREATE TABLE events (user_id VARCHAR, item_id VARCHAR, timestamp TIMESTAMP, event VARCHAR, quantity DOUBLE, "
        "price DOUBLE, session_id VARCHAR)"
    )
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", EVENTS)
    connection.executemany("INSERT INTO products VALUES (?, ?)", [("a", "Tea > Green"), ("b", "Cups"), ("c", None)])
    return connection


def test_the_columns_of_a_customer(shop: duckdb.DuckDBPyConnection) -> None:
    users = user_table(shop, NOW)
    assert users["user_id"].tolist() == ["u1", "u2"]  # an impression alone, and no id, make no user
    row = users.iloc[0].to_dict()
    assert row["category"] == "Cups"
    expected = {
        "recency_days": 1 + 14 / 24 + 50 / 1440, "idle_days": 4 / 24, "orders": 2, "order_days": 2, "items": 4,
        "first_order_days": 50, "last_order_days": 2, "value": 25.0, "orders_28d": 1, "orders_91d": 2,
        "value_28d": 25.0, "value_91d": 29.5, "visits": 3, "visits_28d": 2, "views_28d": 1, "carts_28d": 0,
        "returns": 1, "price": 29.5 / 4, "categories": 2, "weekend_share": 0.4, "morning_share": 0.6,
        "evening_share": 0.4, "night_share": 0.0,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["tenure_days"] == pytest.approx(49 + 4 / 24)


def test_a_visitor_without_an_order_has_no_recency(shop: duckdb.DuckDBPyConnection) -> None:
    row = user_table(shop, NOW).iloc[1]
    assert (row["orders"], row["value"], row["category"]) == (0, 0, "none")
    assert np.isnan(row["recency_days"])
    assert np.isnan(row["price"])
    logged = to_log(user_table(shop, NOW), ["value", "recency_days"])
    assert logged[0, 0] == pytest.approx(np.log(26))
    assert np.isnan(logged[1, 1])


def test_later_events_change_nothing(shop: duckdb.DuckDBPyConnection) -> None:
    before = user_table(shop, NOW)
    shop.execute("INSERT INTO events SELECT * REPLACE (timestamp + INTERVAL 60 DAY AS timestamp) FROM events")
    assert user_table(shop, NOW).equals(before)
    assert {column.name for column in COLUMNS} <= set(before.columns)


def test_hours_are_those_of_the_shops_time_zone(shop: duckdb.DuckDBPyConnection) -> None:
    utc, tokyo = (hour_counts(shop, NOW, zone) for zone in ("UTC", "Asia/Tokyo"))
    second = [row for row in utc.itertuples() if row.user_id == "u2"]
    assert [(row.is_weekend, row.hour, row.n) for row in second] == [(True, 23, 1)]
    second = [row for row in tokyo.itertuples() if row.user_id == "u2"]
    assert [(row.is_weekend, row.hour) for row in second] == [(False, 8)]  # Monday morning


def test_counts_by_category_and_values_by_day(shop: duckdb.DuckDBPyConnection) -> None:
    assert category_counts(shop, NOW).values.tolist() == [["u1", "Cups", 3.0], ["u1", "Tea", 2.0]]
    assert order_values(shop, NOW).values.tolist() == [["u1", 2.0, (25.0 + 4.5) / 2]]
