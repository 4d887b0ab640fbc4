"""One table on its way from the sources to the snapshot: typed, judged, and counted inside DuckDB.

staged_<table> has a row for each record that could be read: our columns, typed; _file; _rule and _raw where a rule
is broken; _state. Its rowid is the order of the sources. Expressions are Ibis; what Ibis cannot say is SQL.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES
from components.data import sources
from components.data.quality import DUPLICATE, QUARANTINE, Counts
from components.data.schemas import REFERENCES, broken_rule, fields
from components.errors import ContractError
from components.params import Data

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

KEPT, BAD, LATER, FILTERED, REPEATED, SUPERSEDED = range(6)  # _state of a staged row
MAX_RAW = 2_000  # characters of a row's own text that quarantine keeps


def connect(data: Data, root: Path) -> Any:
    """Return an in-process DuckDB behind Ibis, within data.memory_gib, spilling to run/spill."""
    import ibis

    settings: dict[str, Any] = {"memory_limit": f"{data.memory_gib}GiB", "temp_directory": str(root / "run" / "spill")}
    if data.threads:
        settings["threads"] = data.threads
    backend = ibis.duckdb.connect(**settings)
    backend.raw_sql("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET allocator_background_threads = false")
    return backend


def stage(connection: Any, table: str, data: Data, root: Path) -> pa.Table:
    """Make staged_<table>; return the lines that could not be read at all, as rows of QUARANTINE.

    Raises ContractError when a source cannot be read.
    """
    import duckdb

    opened = [sources.open_source(connection.con, table, i, s, root) for i, s in enumerate(data.of(table))]
    selects = [o.sql for o in opened] or [_nothing(table)]
    judged = " UNION ALL ".join(f"({_judged(connection.sql(sql), table, data).compile()})" for sql in selects)
    try:
        connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE staged_{table} AS {judged}")
    except duckdb.Error as error:
        named = [sources.shown(Path(f), root) for o in opened for f in o.files if f in str(error)]
        reason = str(error).splitlines()[0].replace(f"{root}/", "")
        raise ContractError(
            f"data.sources.{table}{': ' + named[0] if named else ''}: cannot be read: {reason}. The file is damaged or "
            "no text, or an expression in `columns` or `where` fails (write TRY_CAST instead of CAST)"
        ) from None
    connection.raw_sql(f"UPDATE staged_{table} SET _file = replace(_file, '{root.resolve()}/', '')")
    _mark_unknown_items(connection, table)
    _mark_repeats(connection, table)
    return _rejected(connection, opened, root)


def kept(connection: Any, table: str) -> ibis.Table:
    """Return the good rows as an Ibis table with the contract's columns, in the order of the source."""
    columns = ", ".join(TABLES[table])
    return connection.sql(f"SELECT {columns} FROM staged_{table} WHERE _state = {KEPT}")


def arrow(connection: Any, table: str, month: str | None) -> pa.Table:
    """Return the good rows (of a month such as "2026-01"), sorted: products by id, the others by time and source."""
    within = f" AND strftime(timestamp, '%Y-%m') = '{month}'" if month else ""
    order = "item_id" if table == "products" else "timestamp, rowid"
    sql = f"SELECT {', '.join(TABLES[table])} FROM staged_{table} WHERE _state = {KEPT}{within} ORDER BY {order}"
    return connection.con.execute(sql).to_arrow_table()


def months(connection: Any, table: str) -> list[str]:
    """Return the months that have good rows, such as "2026-01", in order."""
    sql = f"SELECT DISTINCT date_trunc('month', timestamp) FROM staged_{table} WHERE _state = {KEPT} ORDER BY 1"
    return [f"{row[0]:%Y-%m}" for row in connection.con.execute(sql).fetchall()]


def count(connection: Any, table: str, n_rejected: int) -> Counts:
    """Return what became of the rows of a table."""
    rows = connection.con.execute(f"SELECT _state, count(*) FROM staged_{table} GROUP BY 1").fetchall()
    n = dict(rows)
    return Counts(
        read=sum(n.values()) + n_rejected,
        kept=n.get(KEPT, 0),
        quarantined=n.get(BAD, 0) + n_rejected,
        duplicates=n.get(REPEATED, 0),
        later=n.get(LATER, 0),
        filtered=n.get(FILTERED, 0),
        superseded=n.get(SUPERSEDED, 0),
    )


def bad_rows(connection: Any, table: str, rejected: pa.Table) -> pa.Table:
    """Return all rows for the quarantine (QUARANTINE): those that broke a rule, repeats, and unreadable lines."""
    connection.con.register("rejected_lines", rejected)
    return connection.con.execute(f"""
        WITH first AS (SELECT _file, min(rowid) AS begins FROM staged_{table} GROUP BY 1),
        bad AS (SELECT _file AS file, rowid - begins + 1 AS nth, _rule AS rule, _raw AS raw
                FROM staged_{table} JOIN first USING (_file) WHERE _state IN ({BAD}, {REPEATED})),
        gaps AS (SELECT file, row - row_number() OVER (PARTITION BY file ORDER BY row) + 1 AS before, count(*) AS n
                 FROM rejected_lines GROUP BY file, row)
        SELECT file, (nth + coalesce((SELECT sum(n) FROM gaps g WHERE g.file = bad.file AND g.before <= nth), 0))
               ::BIGINT AS row, rule, raw FROM bad
        UNION ALL SELECT file, row, rule, raw FROM rejected_lines
    """).to_arrow_table()


def drop(connection: Any, table: str) -> None:
    """Free a staged table; the ids of products stay, for the references of the others."""
    connection.raw_sql(f"DROP TABLE staged_{table}")


def _nothing(table: str) -> str:
    columns = ", ".join(f"NULL::VARCHAR AS {c}" for c in TABLES[table])
    return f"SELECT {columns}, '' AS _file, true AS _kept, NULL::VARCHAR AS _raw, NULL::VARCHAR AS _broken LIMIT 0"


def _judged(raw: ibis.Table, table: str, data: Data) -> ibis.Table:
    """Return the rows of a source, typed, each with the first rule that it breaks and its state."""
    import ibis

    known = fields(table, data.anonymous_events)
    stripped = {n: raw[n].strip().nullif("") for n in known if raw[n].type().is_string()}
    raw = raw.mutate(**stripped) if stripped else raw
    typed = {n: _typed(raw[n], f.dtype, data.max_text_chars if f.text else 0) for n, f in known.items()}
    rows = raw.mutate(**{f"_is_{n}": c for n, c in typed.items()})
    values = {n: rows[f"_is_{n}"] for n in known}
    rule = rows._broken.coalesce(broken_rule(rows, values, table, data.anonymous_events))
    as_of = ibis.literal(data.as_of.astimezone().isoformat()).cast("timestamp('UTC')").cast("timestamp")
    rows = rows.mutate(_rule=rule)
    later = values["timestamp"] >= as_of
    state = ibis.cases(
        (~rows._kept, FILTERED), (rows._rule.notnull(), BAD), (later.fill_null(False), LATER), else_=KEPT
    ).cast("int8")
    broken = rows._kept & rows._rule.notnull()
    raw_text = ibis.ifelse(broken, rows._raw.cast("string").left(MAX_RAW), ibis.null("string"))
    columns = {n: rows[f"_is_{n}"] for n in known}
    return rows.select(**columns, _file=rows._file, _rule=rows._rule, _raw=raw_text, _state=state)


def _typed(value: Any, dtype: str, max_chars: int) -> Any:
    if dtype == "string":
        text = value.cast("string")
        return text.re_replace(r"[\x00-\x08\x0b-\x1f\x7f]+", " ").left(max_chars) if max_chars else text
    if dtype == "timestamp":
        exact = value.type().is_timestamp() or value.type().is_date() or value.type().is_string()
        return (value if exact else value.cast("string")).try_cast("timestamp('UTC')").cast("timestamp")
    return (value if value.type().is_numeric() or value.type().is_string() else value.cast("string")).try_cast(dtype)


def _mark_unknown_items(connection: Any, table: str) -> None:
    """Events, reviews and searches of an item that is not in the catalogue break a rule."""
    if table not in REFERENCES:
        return
    column = REFERENCES[table]
    connection.raw_sql(f"""
        UPDATE staged_{table} SET _state = {BAD}, _rule = '{column}: not in products',
               _raw = {_all(table)}
        WHERE _state = {KEPT} AND {column} IS NOT NULL AND {column} NOT IN (SELECT item_id FROM known_items)
    """)


def _mark_repeats(connection: Any, table: str) -> None:
    """Of products the newest version stays; of other tables' equal rows the first."""
    if table == "products":
        connection.raw_sql(f"""
            UPDATE staged_products SET _state = {SUPERSEDED} WHERE _state = {KEPT} AND rowid NOT IN (
                SELECT last(rowid ORDER BY timestamp NULLS FIRST, rowid) FROM staged_products WHERE _state = {KEPT}
                GROUP BY item_id);
            CREATE OR REPLACE TEMP TABLE known_items AS SELECT item_id FROM staged_products WHERE _state = {KEPT}
        """)
        return
    columns = ", ".join(TABLES[table])
    connection.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE twice AS SELECT hash({columns}) AS h FROM staged_{table} WHERE _state = {KEPT}
            GROUP BY 1 HAVING count(*) > 1;
        UPDATE staged_{table} SET _state = {REPEATED}, _rule = '{DUPLICATE}',
               _raw = {_all(table)}
        WHERE rowid IN (SELECT r FROM (
            SELECT rowid AS r, row_number() OVER (PARTITION BY {columns} ORDER BY rowid) AS n
            FROM staged_{table} WHERE _state = {KEPT} AND hash({columns}) IN (SELECT h FROM twice)) WHERE n > 1);
        DROP TABLE twice
    """)


def _all(table: str) -> str:
    """Return SQL for a row as JSON text."""
    pairs = ", ".join(f"'{c}': \"{c}\"" for c in TABLES[table])
    return f"left(to_json({{{pairs}}})::VARCHAR, {MAX_RAW})"


def _rejected(connection: Any, opened: list[sources.Opened], root: Path) -> pa.Table:
    """Return the CSV lines that DuckDB could not split, one row a line."""
    import pyarrow as pa

    parts = [
        connection.con.execute(f"""
            SELECT replace(s.file_path, '{root.resolve()}/', '') AS file, (e.line - {o.header})::BIGINT AS row,
                   'line: ' || lower(replace(min(e.error_type)::VARCHAR, '_', ' ')) AS rule,
                   left(min(e.csv_line), {MAX_RAW}) AS raw
            FROM {o.rejects} e JOIN {o.rejects}_scans s USING (scan_id, file_id) GROUP BY ALL
        """).to_arrow_table()
        for o in opened
        if o.rejects
    ]
    schema = pa.schema([(n, pa.int64() if n == "row" else pa.string()) for n in QUARANTINE])
    return pa.concat_tables(parts).cast(schema) if parts else schema.empty_table()
