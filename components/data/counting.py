"""Counts of a staged table: rows and records by outcome, broken rules, records of each file; the quarantined rows."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from components.data.quality import BrokenRule, Counts, MaskedRows
from components.data.records import EMPTY, FORGOTTEN, NO_CONSENT
from components.data.sources import SourceReport
from components.data.staging import Staging
from components.data.validation import AFTER_AS_OF, DUPLICATE, FILTERED, INVALID, SUPERSEDED, VALID

if TYPE_CHECKING:
    import pyarrow as pa

MAX_QUARANTINED = 2_000  # characters of a row's text that quarantine stores
BATCH = 20_000  # quarantined rows in memory at once


def count_rows(staging: Staging, table: str) -> Counts:
    """Return the number of rows of a table by outcome; a record that gives no row counts as one."""
    n = _count_states(staging, table, "")
    return _counts(sum(n.values()), n)


def count_records(staging: Staging, table: str) -> Counts:
    """Return the number of records of a table, each by the first of its rows' outcomes.

    `read` is counted before lists are unnested, the outcomes after it.
    """
    n = _count_states(staging, table, "WHERE _leads")
    unnested = staging.unnested[table]
    files = ", ".join(str(file) for part in unnested for file in range(part.base, part.base + part.n_files))
    others = _count_states(staging, table, f"WHERE _file NOT IN ({files})") if unnested else n
    return _counts(sum(others.values()) + sum(unnested.values()), n)


def _count_states(staging: Staging, table: str, where: str) -> dict[int, int]:
    return dict(staging.sql.execute(f"SELECT _state, count(*) FROM staged_{table} {where} GROUP BY 1").fetchall())


def _counts(read: int, n: dict[int, int]) -> Counts:
    return Counts(
        read=read,
        valid=n.get(VALID, 0),
        quarantined=n.get(INVALID, 0),
        duplicates=n.get(DUPLICATE, 0),
        after_as_of=n.get(AFTER_AS_OF, 0),
        filtered=n.get(FILTERED, 0),
        superseded=n.get(SUPERSEDED, 0),
        empty=n.get(EMPTY, 0),
        forgotten=n.get(FORGOTTEN, 0),
        no_consent=n.get(NO_CONSENT, 0),
    )


def count_masked(staging: Staging, table: str) -> dict[str, MaskedRows]:
    """Return, by kind of personal data, in how many rows it was masked, by the rows' outcome."""
    kinds = f"SELECT _state, unnest(list_distinct(string_split(_masked, ','))) AS kind FROM staged_{table}"
    sql = (
        f"SELECT kind, count(*) FILTER (_state = {VALID}), count(*) FILTER (_state IN ({INVALID}, {DUPLICATE})) "
        f"FROM ({kinds} WHERE _masked IS NOT NULL) GROUP BY 1 ORDER BY 1"
    )
    return {kind: MaskedRows(valid=n, quarantined=n_bad) for kind, n, n_bad in staging.sql.execute(sql).fetchall()}


def report_sources(staging: Staging, table: str) -> list[SourceReport]:
    """Return what was found at each source of a table, with the number of records of each file."""
    counted = f"SELECT _file, count(*) FROM staged_{table} WHERE _leads GROUP BY 1"
    n = dict(staging.sql.execute(counted).fetchall())
    numbers = count()
    return [
        report.model_copy(
            update={"files": [f.model_copy(update={"records": n.get(next(numbers), 0)}) for f in report.files]}
        )
        for report in staging.reports[table]
    ]


def read_quarantined(staging: Staging, table: str) -> pa.RecordBatchReader:
    """Return the rows for the quarantine (quality.QUARANTINE) by file and row: invalid rows and duplicates."""
    raw = "mask_personal_data(raw)" if staging.privacy.mask else "raw"
    return staging.sql.execute(
        f"SELECT file, row, rule, left({raw}, {MAX_QUARANTINED}) AS raw FROM ({_invalid_rows_sql(staging, table)}) "
        "ORDER BY _file, row"
    ).to_arrow_reader(BATCH)


def count_broken_rules(staging: Staging, table: str) -> list[BrokenRule]:
    """Return the number of rows that broke each rule in each file, the most frequent first."""
    rows = staging.sql.execute(
        "SELECT rule, file, count(*) AS n, count(*) FILTER (_leads), min(row) "
        f"FROM ({_invalid_rows_sql(staging, table)}) GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    ).fetchall()
    return [BrokenRule(*row) for row in rows]


def _invalid_rows_sql(staging: Staging, table: str) -> str:
    """Return SQL for the rows that broke a rule: _file, file, row, rule, raw, _leads."""
    import pyarrow as pa

    names = staging.files[table]
    staging.sql.register("file_names", pa.table({"_file": pa.array(range(len(names)), pa.int32()), "file": names}))
    bad = f"(SELECT *, rowid AS row_id FROM staged_{table} WHERE _state IN ({INVALID}, {DUPLICATE}))"
    first = (
        f"(SELECT _file, min(rowid) AS begins FROM staged_{table} WHERE _file IN (SELECT _file FROM {bad}) GROUP BY 1)"
    )
    return (
        f"SELECT _file, file, coalesce(_row, row_id - begins + 1)::BIGINT AS row, _rule AS rule, _raw AS raw, _leads "
        f"FROM {bad} JOIN {first} USING (_file) JOIN file_names USING (_file)"
    )
