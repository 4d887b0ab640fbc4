"""One table between sources and snapshot, inside DuckDB: typed, validated and counted.

staged_<table> has a row for each record of the sources, in their order (rowid): the contract's columns, typed; _file
and _row; _rule and _raw where a rule is broken; _state. Where a source's expressions unnest lists, a record has several
rows, of which one _leads. Rules are Ibis expressions (validation.py), the rest is SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES
from components.data import sources
from components.data.conversion import register_functions
from components.data.partitions import BATCH
from components.data.quality import DUPLICATE_RULE, UNKNOWN_ITEM_RULE
from components.data.records import FORGOTTEN, NO_CONSENT, number_records, records_without_rows
from components.data.schemas import REFERENCES
from components.data.selects import Part
from components.data.sources import SourceReport
from components.data.sql import quote_name
from components.data.supersession import merge_versions
from components.data.validation import (
    DUPLICATE,
    INVALID,
    MAX_RAW,
    VALID,
    empty_sql,
    validated_sql,
)
from components.errors import ContractError
from components.params import DataParams, PrivacyParams
from components.privacy import consent
from components.tombstones import USER_COLUMNS, Forgotten

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

DEFAULTS = PrivacyParams()
OpenSources = Callable[[sources.OpenedSources, dict[Path, Path]], None]


@dataclass
class Staging:
    """An in-process DuckDB database, opened by Ibis, and the source files of each staged table."""

    ibis: Any
    root: Path
    privacy: PrivacyParams
    files: dict[str, list[str]] = field(default_factory=dict)
    reports: dict[str, list[SourceReport]] = field(default_factory=dict)
    unnested: dict[str, dict[Part, int]] = field(default_factory=dict)  # parts that unnest lists -> number of records
    forgotten: Forgotten | None = None  # users whose rows are left out

    @property
    def sql(self) -> Any:
        """Return the DuckDB connection."""
        return self.ibis.con


def connect(
    data: DataParams,
    root: Path,
    spill: Path,
    forgotten: Forgotten | None = None,
    privacy: PrivacyParams = DEFAULTS,
) -> Staging:
    """Return an empty database limited to data.memory_gib, which spills to the folder `spill`."""
    import ibis

    settings: dict[str, Any] = {"memory_limit": f"{data.memory_gib}GiB", "temp_directory": str(spill)}
    if data.threads:
        settings["threads"] = data.threads
    backend = ibis.duckdb.connect(**settings)
    backend.raw_sql("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    register_functions(backend.con, privacy.mask)
    return Staging(backend, root, privacy, forgotten=forgotten)


def stage(staging: Staging, table: str, data: DataParams, repaired: Path) -> None:
    """Create staged_<table>. Text files that DuckDB cannot split are repaired first, into the folder `repaired`.

    Raises ContractError when a source cannot be read.
    """
    connection = staging.sql
    read_rows(
        staging, table, data, repaired / table, partial(sources.open_sources, connection, table, data, staging.root)
    )
    mark_duplicates(staging, table)
    for part in staging.unnested[table]:
        mark_records(connection, table, range(part.base, part.base + part.n_files))


def read_rows(staging: Staging, table: str, data: DataParams, repaired: Path, open_sources: OpenSources) -> None:
    """Create staged_<table>, with the outcome of each row as far as it depends on this row and the products alone.

    open_sources: returns the sources, where text files that it is given are read from their repaired copies.
    """
    import duckdb

    copies: dict[Path, Path] = {}
    complete = False
    while True:
        opened = sources.OpenedSources()
        try:
            open_sources(opened, copies)
            if not complete:
                complete, cut = True, sources.find_incomplete(opened)
                copies |= sources.repair_files(opened, cut, copies, repaired)
                if cut:
                    continue
            _create(staging, table, opened, data)
            break
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"data.sources.{table}: out of memory: data.memory_gib {data.memory_gib:g} and the disk below run/ are "
                "not enough; raise data.memory_gib, or free disk space"
            ) from None
        except duckdb.Error as error:
            damaged = sources.find_unreadable(staging.sql, opened, copies)
            if not damaged:
                raise ContractError(describe_failure(table, opened, error)) from None
            copies |= sources.repair_files(opened, damaged, copies, repaired)
    staging.files[table] = [f.name for f in opened.files]
    staging.reports[table] = opened.reports
    _mark_forgotten(staging, table)
    _apply_consent(staging, table)
    _mark_unknown_items(staging, table)


def _create(staging: Staging, table: str, opened: sources.OpenedSources, data: DataParams) -> None:
    """Create staged_<table>: a row for each row that the sources' SELECTs give, and for each record that gives none."""
    unnested = {
        part: f"records_{n}" for n, part in enumerate(opened.parts) if part.mapping.unnests or part.mapping.reorders
    }
    selects = [
        part.select(number_records(staging.sql, unnested[part], part) if part in unnested else part.rows)
        for part in opened.parts
    ]
    masks = bool(staging.privacy.mask)
    typed = [
        validated_sql(staging.ibis, sql, table, data, masks, part.absent)
        for part, sql in zip(opened.parts, selects, strict=True)
    ] or [empty_sql(table)]
    ordered = {n for n, part in enumerate(opened.parts) if part.mapping.reorders}
    union = " UNION ALL ".join(f"({sql}{' ORDER BY _file, _row' * (n in ordered)})" for n, sql in enumerate(typed))
    staging.sql.execute(f"CREATE OR REPLACE TABLE staged_{table} AS SELECT *, true AS _leads FROM ({union})")
    staging.unnested[table] = {}
    for part, records in unnested.items():
        staging.sql.execute(f"INSERT INTO staged_{table} BY NAME {records_without_rows(part, records, table)}")
        staging.unnested[table][part] = staging.sql.table(records).count("*").fetchone()[0]
        staging.sql.execute(f"DROP TABLE {records}")


def valid_rows(staging: Staging, table: str) -> ibis.Table:
    """Return the valid rows as an Ibis table with the contract's columns, in source order."""
    columns = ", ".join(TABLES[table])
    return staging.ibis.sql(f"SELECT {columns} FROM staged_{table} WHERE _state = {VALID}")


def read_sorted(staging: Staging, table: str, month: str | None) -> pa.RecordBatchReader:
    """Return the valid rows (of a month such as "2026-01"), products sorted by id, others by time and source order.

    Thread-safe.
    """
    start = f"TIMESTAMP '{month}-01'"
    within = f" AND timestamp >= {start} AND timestamp < {start} + INTERVAL 1 MONTH" if month else ""
    order = "item_id" if table == "products" else "timestamp, rowid"
    sql = f"SELECT {', '.join(TABLES[table])} FROM staged_{table} WHERE _state = {VALID}{within} ORDER BY {order}"
    return staging.sql.cursor().execute(sql).to_arrow_reader(BATCH)


def list_months(staging: Staging, table: str) -> list[str]:
    """Return the months that have valid rows, such as "2026-01", in order."""
    sql = f"SELECT DISTINCT date_trunc('month', timestamp) FROM staged_{table} WHERE _state = {VALID} ORDER BY 1"
    return [f"{row[0]:%Y-%m}" for row in staging.sql.execute(sql).fetchall()]


def drop(staging: Staging, table: str) -> None:
    """Drop a staged table; the table known_items stays, for references from other tables."""
    staging.sql.execute(f"DROP TABLE staged_{table}")


def describe_failure(table: str, opened: sources.OpenedSources, error: Exception) -> str:
    """Return the message, without values of rows: they may identify a user."""
    text, files = str(error), [*opened.files, *opened.lookup_files]
    named = next((f"{f.name}: " for f in files if str(f.path) in text), "")
    reason = text.splitlines()[0]
    for file in files:
        reason = reason.replace(str(file.path), file.name)
    if not reason.startswith(("Binder", "Catalog", "Parser", "IO")):
        reason = re.sub(r"'[^']*'|\"[^\"]*\"", "...", reason)
    return (
        f"data.sources.{table}: {named}cannot be read: {reason}. The file is damaged or not of the kind that its "
        "suffix says, or an expression in `columns` or `where` fails (use TRY_CAST instead of CAST)"
    )


def _mark_forgotten(staging: Staging, table: str) -> None:
    """Mark all rows of staged_<table> that name a forgotten user, valid or not; their text is dropped."""
    columns = [name for name in USER_COLUMNS if name in TABLES[table]]
    forgotten = staging.forgotten
    if forgotten is None or not columns:
        return
    distinct = " UNION ".join(f"SELECT {name} FROM staged_{table}" for name in columns)
    gone = forgotten.select(row[0] for row in staging.sql.execute(distinct).fetchall())
    damaged = staging.sql.execute(
        f"SELECT rowid, _raw FROM staged_{table} WHERE _state = {INVALID} AND _raw IS NOT NULL"
    ).fetchall()
    rows = [number for number, raw in damaged if forgotten.names(raw)]
    named = " OR ".join(f"{name} IN (SELECT unnest($1::VARCHAR[]))" for name in columns)
    staging.sql.execute(
        f"UPDATE staged_{table} SET _state = {FORGOTTEN}, _rule = NULL, _raw = NULL, _note = NULL "
        f"WHERE {named} OR rowid IN (SELECT unnest($2::BIGINT[]))",
        [sorted(gone), rows],
    )


def _apply_consent(staging: Staging, table: str) -> None:
    """Write the consent of valid events as it is stored, and mark those without the purpose `recommend`."""
    if table != "events":
        return
    stored = consent.stored_sql(consent.COLUMN, staging.privacy.default_consent)
    staging.sql.execute(f"UPDATE staged_events SET consent = {stored} WHERE _state = {VALID}")
    staging.sql.execute(
        f"UPDATE staged_events SET _state = {NO_CONSENT} WHERE _state = {VALID} AND NOT {consent.allows('recommend')}"
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


def mark_duplicates(staging: Staging, table: str) -> None:
    """Mark older versions of a product as superseded, and repeated rows of other tables as duplicates."""
    if table == "products":
        merge_versions(staging.sql)
        staging.sql.execute(
            f"CREATE OR REPLACE TABLE known_items AS SELECT item_id FROM staged_products WHERE _state = {VALID}"
        )
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


def mark_records(connection: Any, table: str, files: range) -> None:
    """Of the rows of a record, let the one with the first outcome stand for it (_leads), where lists were unnested."""
    rows = f"staged_{table} WHERE _file BETWEEN {files.start} AND {files.stop - 1}"
    connection.execute(f"""
        UPDATE staged_{table} SET _leads = false WHERE rowid IN (SELECT rowid FROM {rows})
        AND rowid NOT IN (SELECT first(rowid ORDER BY _state, rowid) FROM {rows} GROUP BY _file, _row)
    """)


def _as_json(table: str) -> str:
    """Return SQL for a staged row as JSON text."""
    pairs = ", ".join(f"'{c}': {quote_name(c)}" for c in TABLES[table])
    return f"left(to_json({{{pairs}}})::VARCHAR, {MAX_RAW})"
