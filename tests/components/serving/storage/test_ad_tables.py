"""Tables of ads: made once, the last one last, and emptied of a user and of what is old."""

import sqlite3
from contextlib import closing

from components.serving.storage.ad_tables import AD_TABLES, DELETE_USER, LAST_AD_TABLE, PRUNE


def test_the_named_table_is_made_last_and_again_changes_nothing() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        made = []
        for statement in AD_TABLES:
            database.execute(statement)
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            made += [name for (name,) in found if name not in made]
        assert made[-1] == LAST_AD_TABLE
        for statement in AD_TABLES:
            database.execute(statement)


def test_a_user_is_deleted_and_old_rows_are_pruned_from_every_table_that_names_users() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in AD_TABLES:
            database.execute(statement)
        for user, at in (("x", 1), ("y", 2)):
            values = (f"d{at}", at, user, "a", "c", "click", 1, 10, "{}", None, None, 0)
            database.execute(f"INSERT INTO ad_decisions VALUES ({', '.join('?' * len(values))})", values)
            database.execute("INSERT INTO ad_users VALUES (?, ?)", (user, at))
        named = [
            table
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            if any(column[1] == "user_hash" for column in database.execute(f"PRAGMA table_info({table})"))
        ]

        def users() -> set[tuple[str, str]]:
            return {(t, user) for t in named for (user,) in database.execute(f"SELECT user_hash FROM {t}")}

        for statement in DELETE_USER:
            database.execute(statement, ("x",))
        assert users() == {(table, "y") for table in named}
        for statement in PRUNE:
            database.execute(statement, (3,))
        assert users() == set()
