"""Rows in memory give the valid rows, their most frequent values, and the files of the snapshot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.data.staged_rows import RowsInMemory
from tests.components.data.support import HEADER, good
from tests.components.data.test_staging import staged

BAD = b"u9,i1,never,view,1,1\n"


@pytest.fixture
def rows(tmp_path: Path, settings: Callable[..., Any]) -> RowsInMemory:
    """Return five valid rows of two users and one that is invalid."""
    return RowsInMemory(staged(tmp_path, settings, {"e/1.csv": HEADER + good(3) + BAD + good(2, user=2)}), "events")


def test_valid_rows_are_in_source_order(rows: RowsInMemory) -> None:
    assert rows.valid(4).to_pyarrow()["user_id"].to_pylist() == ["u1"] * 3 + ["u2"]
    assert rows.valid(9).count().to_pyarrow().as_py() == 5


def test_the_most_frequent_values_are_of_valid_rows(rows: RowsInMemory) -> None:
    assert rows.most_frequent("user_id") == [("u1", 3, 5), ("u2", 2, 5)]


def test_months_are_written_and_the_rows_are_dropped(rows: RowsInMemory, tmp_path: Path) -> None:
    assert rows.outcomes.count_rows().valid == 5
    rows.write(tmp_path / "events")
    written = sorted((tmp_path / "events").glob("month=*/part-0.parquet"))
    assert sum(pq.read_metadata(file).num_rows for file in written) == 5
    names = {name for (name,) in rows.staging.sql.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert "staged_events" not in names
