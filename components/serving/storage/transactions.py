"""What the event stores share of a database's transaction."""

from collections.abc import Sequence
from typing import Any, Protocol

from components.serving.storage.commit_queue import Row


class Result(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """Return how many rows the statement changed."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows of a SELECT."""
        ...


class Transaction(Protocol):
    """An open transaction; `?` in the SQL is a value."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Result:
        """Run a statement."""
        ...

    def executemany(self, sql: str, rows: Sequence[Row], /) -> Result:
        """Run a statement for each row of values."""
        ...
