"""MLflow's tables for the tests: made by its migrations once in a process, and copied from then on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def migrated_once() -> Iterator[None]:
    """Run MLflow's migrations, which take seconds, for the first local database alone; others get copies of it."""
    from mlflow.store.db import utils

    migrate: Any = utils._upgrade_db

    def upgrade(engine: Any) -> None:
        """Bring a database that has only MLflow's first tables to the current schema."""
        is_first = not tables.execute("SELECT 1 FROM sqlite_master").fetchone()
        if is_first:
            migrate(engine)
        with closing(engine.raw_connection()) as connection:
            database: sqlite3.Connection = connection.driver_connection
            if is_first:
                database.backup(tables)
            else:
                tables.backup(database)

    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as tables, pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_upgrade_db", upgrade)
        yield
