"""One table between sources and snapshot, inside DuckDB: typed, validated and counted.

staged_<table> has a row for each record of the sources, in their order (rowid): the contract's columns, typed; _file
and _row; _rule and _raw where a rule is broken; _state. Rules are Ibis expressions (validation.py), the rest is SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES
from components.data import sources
from components.data.quality import DUPLICATE_RULE, UNKNOWN_ITEM_RULE, BrokenRule, Counts
from components.data.schemas import REFERENCES
from components.data.sql import quote_name
from components.data.validation import (
    AFTER_AS_OF,
    DUPLICATE,
    FILTERED,
    INVALID,
    MAX_RAW,
    SUPERSEDED,
    VALID,
    empty_sql,
    validated_sql,
)
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

BATCH = 20_000  # quarantined rows in memory at once


@dataclass
class Staging:
    """An in-process DuckDB database, opened by Ibis, and the source files of each staged table."""

    ibis: Any
    root: Path
    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sql(self) -> Any:
        """Return the DuckDB connection."""
        return self.ibis.con


def connect(data: DataParams, root: Path, spill: Path) -> Staging:
    """Return an empty database limited to data.memory_gib, which spills to the folder `spill`."""
    import ibis

    settings: dict[str, Any] = {"memory_limit": f"{data.memory_gib}GiB", "temp_directory": str(spill)}
    if data.threads:
        settings["threads"] = data.threads
    backend = ibis.duckdb.connect(**settings)
    backend.raw_sql("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return Staging(backend, root)


def stage(staging: Staging, table: str, data: DataParams, repaired: Path) -> None:
    """Create staged_<table>. Text files that DuckDB cannot split are repaired first, into the folder `repaired`.

    Raises ContractError when a source cannot be read.
    """
    import duckdb

    copies: dict[Path, Path] = {}
    sources.verify_compressed(table, data, staging.root)
    while True:
        opened = sources.OpenedSources()
        try:
            sources.open_sources(staging.sql, opened, table, data, staging.root, copies)
            parts = [validated_sql(staging.ibis.sql(sql), table, data) for sql in opened.selects] or [empty_sql(table)]
            rows = " UNION ALL ".join(f"({part})" for part in parts)
            staging.sql.execute(f"CREATE OR REPLACE TABLE staged_{table} AS {rows}")
            break
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"data.sources.{table}: out of memory: data.memory_gib {data.memory_gib:g} and the disk below run/ are "
                "not enough; raise data.memory_gib, or free disk space"
            ) from None
        except duckdb.Error as error:
            more = sources.repair_unreadable(staging.sql, opened, copies, repaired / table)
            if not more:
                raise ContractError(_cannot_read(table, opened, error)) from None
            copies |= more
    staging.files[table] = [f.name for f in opened.files]
    _mark_unknown_items(staging, table)
    _mark_duplicates(staging, table)


def valid_rows(staging: Staging, table: str) -> ibis.Table:
    """Return the valid rows as an Ibis table with the contract's columns, in source order."""
    columns = ", ".join(TABLES[table])
    return staging.ibis.sql(f"SELECT {columns} FROM staged_{table} WHERE _state = {VALID}")


def read_sorted(staging: Staging, table: str, month: str | None) -> pa.Table:
    """Return the valid rows (of a month such as "2026-01"), products sorted by id, others by time and source order.

    Thread-safe.
    """
    start = f"TIMESTAMP '{month}-01'"
    within = f" AND timestamp >= {start} AND timestamp < {start} + INTERVAL 1 MONTH" if month else ""
    order = "item_id" if table == "products" else "timestamp, rowid"
    sql = f"SELECT {', '.join(TABLES[table])} FROM staged_{table} WHERE _state = {VALID}{within} ORDER BY {order}"
    return staging.sql.cursor().execute(sql).to_arrow_table().combine_chunks()


def list_months(staging: Staging, table: str) -> list[str]:
    """Return the months that have valid rows, such as "2026-01", in order."""
    sql = f"SELECT DISTINCT date_trunc('month', timestamp) FROM staged_{table} WHERE _state = {VALID} ORDER BY 1"
    return [f"{row[0]:%Y-%m}" for row in staging.sql.execute(sql).fetchall()]


def count_rows(staging: Staging, table: str) -> Counts:
    """Return the number of rows of a table by outcome."""
    n = dict(staging.sql.execute(f"SELECT _state, count(*) FROM staged_{table} GROUP BY 1").fetchall())
    return Counts(
        read=sum(n.values()),
        valid=n.get(VALID, 0),
        quarantined=n.get(INVALID, 0),
        duplicates=n.get(DUPLICATE, 0),
        after_as_of=n.get(AFTER_AS_OF, 0),
        filtered=n.get(FILTERED, 0),
        superseded=n.get(SUPERSEDED, 0),
    )


def read_quarantined(staging: Staging, table: str) -> pa.RecordBatchReader:
    """Return the rows for the quarantine (quality.QUARANTINE) by file and row: invalid rows and duplicates."""
    return staging.sql.execute(
        f"SELECT * FROM ({_invalid_rows_sql(staging, table)}) ORDER BY _file, row"
    ).to_arrow_reader(BATCH)


def count_broken_rules(staging: Staging, table: str) -> list[BrokenRule]:
    """Return the number of rows that broke each rule in each file, the most frequent first."""
    rows = staging.sql.execute(
        f"SELECT rule, file, count(*) AS n, min(row) FROM ({_invalid_rows_sql(staging, table)}) "
        "GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    ).fetchall()
    return [BrokenRule(*row) for row in rows]


def drop(staging: Staging, table: str) -> None:
    """Drop a staged table; the table known_items stays, for references from other tables."""
    staging.sql.execute(f"DROP TABLE staged_{table}")


def _cannot_read(table: str, opened: sources.OpenedSources, error: Exception) -> str:
    """Return the message, without values of rows: they may identify a user."""
    text = str(error)
    named = next((f"{f.name}: " for f in opened.files if str(f.path) in text), "")
    reason = text.splitlines()[0]
    for file in opened.files:
        reason = reason.replace(str(file.path), file.name)
    if not reason.startswith(("Binder", "Catalog", "Parser", "IO")):
        reason = re.sub(r"'[^']*'|\"[^\"]*\"", "...", reason)
    return (
        f"data.sources.{table}: {named}cannot be read: {reason}. The file is damaged or not of the kind that its "
        "suffix says, or an expression in `columns` or `where` fails (use TRY_CAST instead of CAST)"
    )


def _mark_unknown_items(staging: Staging, table: str) -> None:
    """Mark events, reviews and searches whose item is not in the catalogue as invalid."""
    if table not in REFERENCES:
        return
    column = REFERENCES[table]
    staging.sql.execute(f"""
        UPDATE staged_{table} SET _state = {INVALID}, _rule = '{column}: {UNKNOWN_ITEM_RULE}', _raw = {_as_json(table)}
        WHERE _state = {VALID} AND {column} IS NOT NULL AND {column} NOT IN (SELECT item_id FROM known_items)
    """)


def _mark_duplicates(staging: Staging, table: str) -> None:
    """Mark older versions of a product as superseded, and repeated rows of other tables as duplicates."""
    if table == "products":
        staging.sql.execute(f"""
            UPDATE staged_products SET _state = {SUPERSEDED} WHERE _state = {VALID} AND rowid NOT IN (
                SELECT last(rowid ORDER BY timestamp NULLS FIRST, rowid) FROM staged_products WHERE _state = {VALID}
                GROUP BY item_id);
            CREATE OR REPLACE TABLE known_items AS SELECT item_id FROM staged_products WHERE _state = {VALID}
        """)
        return
    columns = ", ".join(TABLES[table])
    of = {"events": "item_id", "reviews": "item_id", "searches": "query", "social": "action"}[table]
    key = f"hash(user_id, timestamp, {of})"
    staging.sql.execute(f"""
        CREATE OR REPLACE TABLE twice AS SELECT {key} AS h FROM staged_{table} WHERE _state = {VALID}
            GROUP BY 1 HAVING count(*) > 1;
        UPDATE staged_{table} SET _state = {DUPLICATE}, _rule = '{DUPLICATE_RULE}', _raw = {_as_json(table)}
        WHERE rowid IN (SELECT r FROM (
            SELECT rowid AS r, row_number() OVER (PARTITION BY {columns} ORDER BY rowid) AS n
            FROM staged_{table} WHERE _state = {VALID} AND {key} IN (SELECT h FROM twice)) WHERE n > 1);
        DROP TABLE twice
    """)


def _as_json(table: str) -> str:
    """Return SQL for a staged row as JSON text."""
    pairs = ", ".join(f"'{c}': {quote_name(c)}" for c in TABLES[table])
    return f"left(to_json({{{pairs}}})::VARCHAR, {MAX_RAW})"


def _invalid_rows_sql(staging: Staging, table: str) -> str:
    """Return SQL for the rows that broke a rule: _file, file, row, rule, raw."""
    import pyarrow as pa

    names = staging.files[table]
    staging.sql.register("file_names", pa.table({"_file": pa.array(range(len(names)), pa.int32()), "file": names}))
    bad = f"(SELECT *, rowid AS row_id FROM staged_{table} WHERE _state IN ({INVALID}, {DUPLICATE}))"
    first = (
        f"(SELECT _file, min(rowid) AS begins FROM staged_{table} WHERE _file IN (SELECT _file FROM {bad}) GROUP BY 1)"
    )
    return (
        f"SELECT _file, file, coalesce(_row, row_id - begins + 1)::BIGINT AS row, _rule AS rule, _raw AS raw "
        f"FROM {bad} JOIN {first} USING (_file) JOIN file_names USING (_file)"
    )
