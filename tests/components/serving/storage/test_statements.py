"""The SQL itself, on SQLite's own engine: users one after the other, newest events, and the older of two stocks."""

import sqlite3
from collections.abc import Iterator

import pytest

from components.serving.storage import statements
from components.serving.storage.event_store_sqlite import SCHEMA


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(":memory:") as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        rows = [(user, at, b"%d" % at) for user, n in (("a", 3), ("ab", 1), ("b", 2), ("c%", 1)) for at in range(n)]
        connection.executemany(
            "INSERT INTO events (user_id, at, key, item_id, event) VALUES (?, ?, ?, 'i', 'view')", rows
        )
        yield connection
    connection.close()


def test_users_are_listed_once_in_order_and_in_pages(database: sqlite3.Connection) -> None:
    assert database.execute(statements.LIST_USERS, ("", 2)).fetchall() == [("a",), ("ab",)]
    assert database.execute(statements.LIST_USERS, ("ab", 9)).fetchall() == [("b",), ("c%",)]
    assert database.execute(statements.LIST_USERS, ("z", 9)).fetchall() == []
    assert database.execute(statements.SELECT_LAST_USER).fetchone() == ("c%",)


@pytest.mark.parametrize(("prefix", "found"), [("a", ["a", "ab"]), ("c%", ["c%"]), ("%", []), ("", ["a", "ab", "b"])])
def test_a_prefix_is_text_and_no_pattern(database: sqlite3.Connection, prefix: str, found: list[str]) -> None:
    rows = database.execute(statements.SELECT_USERS, (prefix,) * 5 + (3,)).fetchall()
    assert [user for (user,) in rows if user is not None] == found


def test_the_newest_events_come_first_within_their_window(database: sqlite3.Connection) -> None:
    rows = database.execute(statements.SELECT_ITEMS, ("a", 0, 1, 5)).fetchall()
    assert [at for at, *_ in rows] == [1, 0]


def test_an_older_stock_does_not_replace_a_newer_one_unless_that_one_is_in_the_future(
    database: sqlite3.Connection,
) -> None:
    skew = 100
    for quantity, at, remains in ((5, 1_000, 5), (6, 990, 5), (7, 1_000, 7), (8, 5_000, 8), (9, 1_001, 9)):
        database.execute(statements.UPSERT_STOCK, ("i", quantity, at, skew))
        assert database.execute("SELECT quantity FROM stock").fetchall() == [(remains,)], (quantity, at)


def test_old_events_are_counted_beside_all(database: sqlite3.Connection) -> None:
    assert database.execute(statements.COUNT_OLD, (1,)).fetchone() == (7, 4)
    summary = statements.SUMMARISE_USERS.format(users="?, ?")
    assert database.execute(summary, (1, "a", "b")).fetchall() == [("a", 2, 0, 2), ("b", 1, 0, 1)]
