"""A staged table as `take_snapshot` sees it, wherever its rows are: here in the memory of this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.data import counting, staging
from components.data.outcomes import RowOutcomes
from components.data.partitions import write_part
from components.data.staging import Staging
from components.data.validation import VALID

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

WRITERS = 2  # months in memory at once
Frequent = list[tuple[str, int, int]]  # values, each with its number and that of all


class StagedRows(Protocol):
    """The rows of a table, typed and judged."""

    @property
    def outcomes(self) -> RowOutcomes:
        """Return how many rows have which outcome."""

    def quarantined(self) -> pa.RecordBatchReader:
        """Return the rows for the quarantine by file and row."""

    def most_frequent(self, column: str) -> Frequent:
        """Return the two most frequent values of a column of the valid rows, with the number of rows that have one."""

    def valid(self, n: int) -> ibis.Table:
        """Return n valid rows with the contract's columns."""

    def write(self, folder: Path) -> None:
        """Write the valid rows as the table of a snapshot."""


@dataclass(frozen=True)
class RowsInMemory:
    """staged_<table> in the DuckDB of this process."""

    staging: Staging
    table: str

    @cached_property
    def outcomes(self) -> RowOutcomes:
        """Return how many rows have which outcome."""
        return counting.read_outcomes(self.staging, self.table)

    def quarantined(self) -> pa.RecordBatchReader:
        """Return the rows for the quarantine by file and row."""
        return counting.read_quarantined(self.staging, self.table)

    def most_frequent(self, column: str) -> Frequent:
        """Return the two most frequent values of a column of the valid rows, with the number of rows that have one."""
        rows = f"SELECT {column} AS value, 1 AS n FROM staged_{self.table} WHERE _state = {VALID}"
        return counting.most_frequent(self.staging.sql, rows)

    def valid(self, n: int) -> ibis.Table:
        """Return the first n valid rows with the contract's columns, in source order."""
        return staging.valid_rows(self.staging, self.table).limit(n)

    def write(self, folder: Path) -> None:
        """Write the valid rows as the table of a snapshot: a file per month, of products one file."""
        months = staging.list_months(self.staging, self.table) if self.table != "products" else []
        if not months:
            _write_part(staging.read_sorted(self.staging, self.table, None), folder)
        with ThreadPoolExecutor(WRITERS) as pool:  # one month is sorted while another is compressed
            for part in [pool.submit(self._write_month, month, folder) for month in months]:
                part.result()
        staging.drop(self.staging, self.table)

    def _write_month(self, month: str, folder: Path) -> None:
        _write_part(staging.read_sorted(self.staging, self.table, month), folder / f"month={month}")


def _write_part(rows: pa.RecordBatchReader, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_part(rows, folder / "part-0.parquet")
