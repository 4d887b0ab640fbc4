"""Aggregates by hand: days end at as_of, impressions are no actions, and no event is counted twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import EVENTS
from components.monitoring.aggregates import (
    COLUMNS,
    NUMBERS,
    compare_products,
    count_days,
    count_items,
    create_recent,
)

AS_OF = datetime(2026, 1, 19, 3, tzinfo=UTC)  # a day begins at 03:00
VIEW, PURCHASE, IMPRESSION = (EVENTS.index(name) for name in ("view", "purchase", "impression"))


def event(user: str | None, item: str, hours: float, name: str = "view", price: float | None = None) -> dict[str, Any]:
    """Return an event so many hours before as_of."""
    time = (AS_OF - timedelta(hours=hours)).replace(tzinfo=None)
    return {"user_id": user, "item_id": item, "timestamp": time, "event": name, "price": price}


EVENTS_OF_SHOP = [
    event("ann", "ball", 0),  # at as_of: not before it
    event("ann", "ball", 1e-6), event("ann", "ball", 2), event("ann", "ball", 2), event("bob", "kite", 23.999),
    event("ann", "kite", 3, "impression"), event("ann", "kite", 3, "impression"),
    event(None, "ball", 24.1, "purchase", 9.0), event("ann", "ball", 30, "purchase", float("inf")),
    event("ann", "ball", 24 * 30, "purchase", 3.0), event("ann", "kite", 24 * 60, "purchase", 4.0),
    event("ann", "kite", 24 * 84),  # on the oldest day: 84 days before as_of is its first moment
    event("ann", "kite", 24 * 84 + 0.1),
]  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    rows = pa.Table.from_pylist(EVENTS_OF_SHOP)
    months = np.array([time.strftime("%Y-%m") for time in rows["timestamp"].to_pylist()])
    for month in np.unique(months):
        folder = tmp_path / f"events/month={month}"
        folder.mkdir(parents=True)
        pq.write_table(rows.filter(pa.array(months == month)), folder / "part-0.parquet", write_page_checksum=True)
    with duckdb.connect() as connection:
        create_recent(connection, tmp_path, AS_OF, 84)
        yield connection


def test_days_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    days = count_days(connection, 84)
    assert days.n[0, VIEW] == 4
    assert days.n[0, IMPRESSION] == 2
    assert days.actions[0] == 4  # impressions are the shop's
    assert days.n[:3, PURCHASE].tolist() == [0, 2, 0]
    assert days.n_covered == 84
    assert days.n.sum() == len(EVENTS_OF_SHOP) - 2  # without the first and the last
    assert days.repeats[0] == 1  # of views; the repeated impression is none
    assert days.nulls[1, PURCHASE, COLUMNS.index("user_id")] == 1
    assert days.nulls[0, VIEW, COLUMNS.index("propensity")] == 4  # a column that no file has
    assert days.not_finite[1].tolist() == [float(name == "price") for name in NUMBERS]
    assert days.user_days[:2].tolist() == [2, 1]
    assert days.log_events[:2] == pytest.approx([np.log(3), 0])  # ann has three, bob one


def test_items_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    one, week, month = count_items(connection)
    ball = int(np.argmax(one.current))
    assert (one.current[ball], one.base[ball], one.older[ball]) == (3, 2, 1)
    assert (week.current[ball], week.base[ball], week.older[ball]) == (5, 1, 0)
    assert month.base.sum() == 1
    assert one.base_price[ball] == 9.0  # infinity is no price
    assert np.isnan(one.price[ball])
    assert (week.price[ball], week.base_price[ball]) == (9.0, 3.0)


def products(folder: Path, rows: list[dict[str, Any]]) -> Path:
    names = ("item_id", "title", "description", "brand", "category", "language")
    schema = pa.schema([*((name, pa.string()) for name in names), ("price", pa.float64())])
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "part-0.parquet", write_page_checksum=True)
    return folder / "part-0.parquet"


def test_products_by_hand(tmp_path: Path) -> None:
    before = [
        {"item_id": "a", "title": "Red paper lantern", "category": "Home > light", "price": 2.0, "brand": "Acme"},
        {"item_id": "b", "title": "Blue tea pot", "category": "Kitchen", "price": 3.0, "brand": ""},
        {"item_id": "c", "title": "Gone", "category": "Home", "price": 1.0},
        {"item_id": "d", "title": "Wool scarf", "category": "Clothes", "price": float("nan"), "brand": "Acme"},
        {"item_id": "e", "title": "Old stamp", "category": "", "price": 4.0},
    ]
    now = [
        {"item_id": "a", "title": "RED PAPER LANTERNS", "category": "home > lamps", "price": 4.0, "brand": None},
        {"item_id": "b", "title": "Garden hose, 20 m", "category": "Garden", "price": None},
        {"item_id": "d", "title": "", "category": "Clothes", "price": 5.0, "brand": "Acme"},
        {"item_id": "e", "title": "Old stamp", "category": "Toys", "price": float("inf")},
        {"item_id": "new", "title": "New", "price": float("nan")},
    ]
    known = products(tmp_path / "bundle", before)
    products(tmp_path / "snapshot/products", now)
    with duckdb.connect() as connection:
        found = compare_products(connection, tmp_path / "snapshot", known)
    assert (found.n_known, found.n_lost) == (5, 1)
    assert found.values == {
        "title": (4, 1), "description": (0, 0), "brand": (2, 1), "category": (3, 0), "language": (0, 0),
        "price": (3, 1),
    }  # fmt: skip
    assert found.changed == {"title": (3, 1), "category": (3, 1)}  # a corrected spelling is the same product
    assert found.price_ratio.tolist() == [2.0]
    assert found.not_finite == 1  # of the champion's products


def test_a_folder_with_a_quote_in_its_name(tmp_path: Path) -> None:
    known = products(tmp_path / "it's here", [{"item_id": "a", "title": "A", "price": 1.0}])
    products(tmp_path / "o'clock/products", [{"item_id": "a", "title": "A", "price": 1.0}])
    with duckdb.connect() as connection:
        assert compare_products(connection, tmp_path / "o'clock", known).n_lost == 0
