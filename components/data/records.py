"""Records of sources whose expressions unnest lists: numbered before, and those that give no row.

A list of three gives three rows of one record, an empty list gives none. Each record must come out all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.selects import Part
from components.data.validation import FILTERED, INVALID, MAX_RAW, SUPERSEDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EMPTY = SUPERSEDED + 1  # _state of a record whose lists are unnested to no row
FORGOTTEN = EMPTY + 1  # _state of a row of a forgotten user
NO_CONSENT = FORGOTTEN + 1  # _state of an event that may not be used for recommendations


def number_records(connection: DuckDBPyConnection, name: str, part: Part) -> str:
    """Store the records of a part as table `name`; return a FROM expression of those that are no broken lines.

    Each has the number that it has in its file.
    """
    p = part.prefix
    connection.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT *, row_number() OVER () AS {p}number FROM {part.rows}"
    )
    first = dict(connection.execute(f"SELECT {p}file, min({p}number) FROM {name} GROUP BY 1").fetchall())
    before = ", ".join(str(first.get(part.base + n, 1) - 1) for n in range(part.n_files))
    row = f"coalesce({p}row, {p}number - [{before}][({p}file - {part.base} + 1)::BIGINT])"
    connection.execute(f"UPDATE {name} SET {p}row = {row}")
    return f"(SELECT * FROM {name} WHERE {p}broken IS NULL)"


def records_without_rows(part: Part, name: str, table: str) -> str:
    """Return SQL for the records of table `name` that have no row in staged_<table>, with state and rule.

    They are broken lines, or `where` excludes them, or else their lists are empty.
    """
    p, where = part.prefix, part.mapping.where
    known = {c.lower() for c in part.columns}
    plain = where is not None and not where.unnests and not where.reorders
    on_records = where is not None and plain and all(n.lower() in known for n in where.names)
    selected = f"coalesce({where.sql}, false)" if where and on_records else "true"
    raw = f"left(coalesce({p}line, {part.raw}::JSON::VARCHAR), {MAX_RAW})"
    return (
        f"SELECT {p}file::INT AS _file, {p}row AS _row, {p}broken AS _rule, CASE WHEN {p}broken IS NOT NULL "
        f"THEN {INVALID} WHEN NOT {selected} THEN {FILTERED} ELSE {EMPTY} END::TINYINT AS _state, "
        f"CASE WHEN {p}broken IS NOT NULL THEN {raw} END AS _raw, true AS _leads FROM {name} "
        f"WHERE NOT EXISTS (FROM staged_{table} s WHERE s._file = {name}.{p}file AND s._row = {name}.{p}row)"
    )
