"""One table on its way from the sources to the snapshot: typed, judged, and counted inside DuckDB.

staged_<table> has a row for each record of the sources, in their order (rowid): our columns, typed; _file and _row;
_rule and _raw where a rule is broken; _state. Rules are Ibis expressions (judging.py); what Ibis cannot say is SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES
from components.data import sources
from components.data.quality import DUPLICATE, UNKNOWN_ITEM, Broken, Counts
from components.data.schemas import REFERENCES
from components.data.sql import name
from components.data.validation import BAD, FILTERED, KEPT, LATER, MAX_RAW, REPEATED, SUPERSEDED, judged, nothing
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

BATCH = 20_000  # quarantined rows in memory at once


@dataclass
class Staging:
    """An in-process DuckDB behind Ibis, and the files that each staged table came from."""

    ibis: Any
    root: Path
    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sql(self) -> Any:
        """Return the DuckDB connection."""
        return self.ibis.con


def connect(data: DataParams, root: Path, spill: Path) -> Staging:
    """Return an empty staging area within data.memory_gib that spills to the folder `spill`."""
    import ibis

    settings: dict[str, Any] = {"memory_limit": f"{data.memory_gib}GiB", "temp_directory": str(spill)}
    if data.threads:
        settings["threads"] = data.threads
    backend = ibis.duckdb.connect(**settings)
    backend.raw_sql("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return Staging(backend, root)


def stage(staging: Staging, table: str, data: DataParams, mended: Path) -> None:
    """Make staged_<table>. Text files that DuckDB cannot split are read with care, and copied to the folder `mended`.

    Raises ContractError when a source cannot be read.
    """
    import duckdb

    copies: dict[Path, Path] = {}
    sources.verify(table, data, staging.root)
    while True:
        opened = sources.Opened()
        try:
            sources.open_sources(staging.sql, opened, table, data, staging.root, copies)
            parts = [judged(staging.ibis.sql(sql), table, data) for sql in opened.selects] or [nothing(table)]
            rows = " UNION ALL ".join(f"({part})" for part in parts)
            staging.sql.execute(f"CREATE OR REPLACE TABLE staged_{table} AS {rows}")
            break
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"data.sources.{table}: {data.memory_gib:g} GiB and the disk below run/ are not enough; raise "
                "data.memory_gib, or free disk space"
            ) from None
        except duckdb.Error as error:
            more = sources.mend_broken(staging.sql, opened, copies, mended / table)
            if not more:
                raise ContractError(_cannot_read(table, opened, error)) from None
            copies |= more
    staging.files[table] = [f.name for f in opened.files]
    _mark_unknown_items(staging, table)
    _mark_repeats(staging, table)


def kept(staging: Staging, table: str) -> ibis.Table:
    """Return the good rows as an Ibis table with the contract's columns, in the order of the source."""
    columns = ", ".join(TABLES[table])
    return staging.ibis.sql(f"SELECT {columns} FROM staged_{table} WHERE _state = {KEPT}")


def arrow(staging: Staging, table: str, month: str | None) -> pa.Table:
    """Return the good rows (of a month such as "2026-01"), sorted: products by id, the others by time and source.

    May be called from several threads.
    """
    start = f"TIMESTAMP '{month}-01'"
    within = f" AND timestamp >= {start} AND timestamp < {start} + INTERVAL 1 MONTH" if month else ""
    order = "item_id" if table == "products" else "timestamp, rowid"
    sql = f"SELECT {', '.join(TABLES[table])} FROM staged_{table} WHERE _state = {KEPT}{within} ORDER BY {order}"
    return staging.sql.cursor().execute(sql).to_arrow_table().combine_chunks()


def months(staging: Staging, table: str) -> list[str]:
    """Return the months that have good rows, such as "2026-01", in order."""
    sql = f"SELECT DISTINCT date_trunc('month', timestamp) FROM staged_{table} WHERE _state = {KEPT} ORDER BY 1"
    return [f"{row[0]:%Y-%m}" for row in staging.sql.execute(sql).fetchall()]


def count(staging: Staging, table: str) -> Counts:
    """Return what became of the rows of a table."""
    n = dict(staging.sql.execute(f"SELECT _state, count(*) FROM staged_{table} GROUP BY 1").fetchall())
    return Counts(
        read=sum(n.values()),
        kept=n.get(KEPT, 0),
        quarantined=n.get(BAD, 0),
        duplicates=n.get(REPEATED, 0),
        later=n.get(LATER, 0),
        filtered=n.get(FILTERED, 0),
        superseded=n.get(SUPERSEDED, 0),
    )


def quarantine(staging: Staging, table: str) -> pa.RecordBatchReader:
    """Return all rows for the quarantine (quality.QUARANTINE), by file and row: broken rules, and repeats."""
    return staging.sql.execute(f"SELECT * FROM ({_bad_rows(staging, table)}) ORDER BY _file, row").to_arrow_reader(
        BATCH
    )


def broken(staging: Staging, table: str) -> list[Broken]:
    """Return how often each rule was broken in each file, the most frequent first."""
    rows = staging.sql.execute(
        f"SELECT rule, file, count(*) AS n, min(row) FROM ({_bad_rows(staging, table)}) "
        "GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
    ).fetchall()
    return [Broken(*row) for row in rows]


def drop(staging: Staging, table: str) -> None:
    """Free a staged table; the ids of products stay, for the references of the others."""
    staging.sql.execute(f"DROP TABLE staged_{table}")


def _cannot_read(table: str, opened: sources.Opened, error: Exception) -> str:
    """Return why, without the values of a row: they may say who a user is."""
    text = str(error)
    named = next((f"{f.name}: " for f in opened.files if str(f.path) in text), "")
    reason = text.splitlines()[0]
    for file in opened.files:
        reason = reason.replace(str(file.path), file.name)
    if not reason.startswith(("Binder", "Catalog", "Parser", "IO")):
        reason = re.sub(r"'[^']*'|\"[^\"]*\"", "...", reason)
    return (
        f"data.sources.{table}: {named}cannot be read: {reason}. The file is damaged or of another kind than its name "
        "says, or an expression in `columns` or `where` fails (write TRY_CAST instead of CAST)"
    )


def _mark_unknown_items(staging: Staging, table: str) -> None:
    """Events, reviews and searches of an item that is not in the catalogue break a rule."""
    if table not in REFERENCES:
        return
    column = REFERENCES[table]
    staging.sql.execute(f"""
        UPDATE staged_{table} SET _state = {BAD}, _rule = '{column}: {UNKNOWN_ITEM}', _raw = {_as_json(table)}
        WHERE _state = {KEPT} AND {column} IS NOT NULL AND {column} NOT IN (SELECT item_id FROM known_items)
    """)


def _mark_repeats(staging: Staging, table: str) -> None:
    """Of products the newest version stays; of other tables' equal rows the first."""
    if table == "products":
        staging.sql.execute(f"""
            UPDATE staged_products SET _state = {SUPERSEDED} WHERE _state = {KEPT} AND rowid NOT IN (
                SELECT last(rowid ORDER BY timestamp NULLS FIRST, rowid) FROM staged_products WHERE _state = {KEPT}
                GROUP BY item_id);
            CREATE OR REPLACE TABLE known_items AS SELECT item_id FROM staged_products WHERE _state = {KEPT}
        """)
        return
    columns = ", ".join(TABLES[table])
    of = {"events": "item_id", "reviews": "item_id", "searches": "query", "social": "action"}[table]
    key = f"hash(user_id, timestamp, {of})"
    staging.sql.execute(f"""
        CREATE OR REPLACE TABLE twice AS SELECT {key} AS h FROM staged_{table} WHERE _state = {KEPT}
            GROUP BY 1 HAVING count(*) > 1;
        UPDATE staged_{table} SET _state = {REPEATED}, _rule = '{DUPLICATE}', _raw = {_as_json(table)}
        WHERE rowid IN (SELECT r FROM (
            SELECT rowid AS r, row_number() OVER (PARTITION BY {columns} ORDER BY rowid) AS n
            FROM staged_{table} WHERE _state = {KEPT} AND {key} IN (SELECT h FROM twice)) WHERE n > 1);
        DROP TABLE twice
    """)


def _as_json(table: str) -> str:
    """Return SQL for a staged row as JSON text."""
    pairs = ", ".join(f"'{c}': {name(c)}" for c in TABLES[table])
    return f"left(to_json({{{pairs}}})::VARCHAR, {MAX_RAW})"


def _bad_rows(staging: Staging, table: str) -> str:
    """Return SQL for the rows that broke a rule: _file, file, row, rule, raw."""
    import pyarrow as pa

    names = staging.files[table]
    staging.sql.register("file_names", pa.table({"_file": pa.array(range(len(names)), pa.int32()), "file": names}))
    bad = f"(SELECT *, rowid AS place FROM staged_{table} WHERE _state IN ({BAD}, {REPEATED}))"
    first = (
        f"(SELECT _file, min(rowid) AS begins FROM staged_{table} WHERE _file IN (SELECT _file FROM {bad}) GROUP BY 1)"
    )
    return (
        f"SELECT _file, file, coalesce(_row, place - begins + 1)::BIGINT AS row, _rule AS rule, _raw AS raw "
        f"FROM {bad} JOIN {first} USING (_file) JOIN file_names USING (_file)"
    )
