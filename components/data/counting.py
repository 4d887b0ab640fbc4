"""What a staged table holds for the report: its outcomes, counted, and the rows for the quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.outcomes import RowOutcome, RowOutcomes
from components.data.staging import Staging
from components.data.validation import DUPLICATE, INVALID

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MAX_QUARANTINED = 2_000  # characters of a row's text that quarantine stores
BATCH = 20_000  # quarantined rows in memory at once


def read_outcomes(staging: Staging, table: str) -> RowOutcomes:
    """Return the outcomes of staged_<table>."""
    unnested = staging.unnested.get(table, {})
    rows = staging.sql.execute(
        "SELECT _file, _state, _rule, _note, _masked, _leads, count(*), "
        f"min(row) FILTER (_state IN ({INVALID}, {DUPLICATE})) FROM ({numbered_rows(table)}) GROUP BY ALL"
    ).fetchall()
    return RowOutcomes(
        [RowOutcome(*row) for row in rows],
        staging.files.get(table, []),
        staging.reports.get(table, []),
        frozenset(file for part in unnested for file in range(part.base, part.base + part.n_files)),
        sum(unnested.values()),
    )


def numbered_rows(table: str) -> str:
    """Return SQL for staged_<table> with rowid as row_id, and the row's number in its file as row."""
    begins = f"(SELECT _file, min(rowid) AS begins FROM staged_{table} GROUP BY 1)"
    return (
        "SELECT *, coalesce(_row, row_id - begins + 1)::BIGINT AS row "
        f"FROM (SELECT *, rowid AS row_id FROM staged_{table}) JOIN {begins} USING (_file)"
    )


def quarantined_rows(staging: Staging, table: str) -> str:
    """Return SQL for the rows of quarantine: _file, row, rule and raw; invalid rows and duplicates."""
    raw = "mask_personal_data(_raw)" if staging.privacy.mask else "_raw"
    return (
        f"SELECT _file, row, _rule AS rule, left({raw}, {MAX_QUARANTINED}) AS raw FROM ({numbered_rows(table)}) "
        f"WHERE _state IN ({INVALID}, {DUPLICATE})"
    )


def read_quarantined(staging: Staging, table: str, rows: str = "") -> pa.RecordBatchReader:
    """Return the rows for the quarantine (quality.QUARANTINE) by file, row, rule and text.

    rows: SQL for what `quarantined_rows` gives, by default itself.
    """
    import pyarrow as pa

    names = staging.files[table]
    staging.sql.register("file_names", pa.table({"_file": pa.array(range(len(names)), pa.int32()), "file": names}))
    return staging.sql.execute(
        f"SELECT file, row, rule, raw FROM ({rows or quarantined_rows(staging, table)}) "
        "JOIN file_names USING (_file) ORDER BY _file, row, rule, raw"
    ).to_arrow_reader(BATCH)


def most_frequent(connection: DuckDBPyConnection, rows: str) -> list[tuple[str, int, int]]:
    """Return the two most frequent values of rows (SQL: value, n), each with its number and that of all values."""
    found: list[tuple[str, int, int]] = connection.execute(
        f"SELECT value, sum(n)::BIGINT AS n, sum(sum(n)) OVER () FROM ({rows}) WHERE value IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2"
    ).fetchall()
    return [(value, int(n), int(total)) for value, n, total in found]
