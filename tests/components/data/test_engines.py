"""Tasks run in the order of their units; DuckDB needs no engine."""

from collections.abc import Callable
from typing import Any

from components.data.engines import InProcess, open_engine


def test_results_are_in_the_order_of_the_units() -> None:
    assert InProcess().map(str, [3, 1, 2]) == ["3", "1", "2"]


def test_duckdb_runs_without_tasks(settings: Callable[..., Any]) -> None:
    with open_engine(settings().data) as engine:
        assert engine is None
