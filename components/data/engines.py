"""What runs the tasks of `ingest` where one process is not enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from components.params import DataParams

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class TaskEngine(Protocol):
    """Calls a function for many units of work, side by side, on machines that see the same files."""

    def map(self, task: Callable[[Unit], Result], units: Sequence[Unit]) -> list[Result]:
        """Return the results in the order of the units. A task may be called again: it must replace what it wrote.

        Raises the CarouselError of the first unit that raises one, ContractError where the engine fails.
        """


class InProcess:
    """An engine without other machines: one unit after the other, in this process."""

    def map(self, task: Callable[[Unit], Result], units: Sequence[Unit]) -> list[Result]:
        """Return the results in the order of the units."""
        return [task(unit) for unit in units]


@contextmanager
def open_engine(data: DataParams) -> Iterator[TaskEngine | None]:
    """Yield the engine that data.engine names; None: DuckDB in this process, without tasks."""
    if data.engine == "duckdb":
        yield None
        return
    from components.data.spark import start

    with start(data.spark) as engine:
        yield engine
