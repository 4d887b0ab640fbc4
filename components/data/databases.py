"""SQL databases as sources: SQLite is read with the sqlite3 module, DuckDB and servers are attached to DuckDB."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.lines import File
from components.data.sql import quote_text
from components.errors import ContractError
from components.params import SourceParams
from components.redact import redact, remember

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE_DATABASES = ("sqlite", "duckdb")
FETCH_ROWS = 50_000  # SQLite rows at once


def find_file(source: SourceParams, root: Path) -> File:
    """Return the file of an SQLite or DuckDB database; raises ContractError where there is none."""
    target = _expand_environment(source.attach or "")
    if ".." in Path(target).parts:
        raise ContractError(
            f"data.sources: database {source.attach}: expected a path below the checkout or an absolute one, got one "
            "with `..`; correct `attach`"
        )
    path = root / target
    if not path.is_file():
        raise ContractError(f"data.sources: database {source.attach}: expected a file, found none; correct `attach`")
    return File(path, source.attach or "")


def quarantine_file(source: SourceParams, root: Path) -> File:
    """Return the file name for a database's rows in quarantine; it hides the address of a server."""
    return find_file(source, root) if source.type in FILE_DATABASES else File(Path("server"), source.attach or "")


def attach(connection: DuckDBPyConnection, alias: str, source: SourceParams, root: Path) -> str:
    """Attach the database and return the source's query as a FROM expression; $db in it is the attached database."""
    query = source.query or ""
    if source.type == "sqlite":  # DuckDB reads SQLite with an extension that would have to be downloaded
        connection.register(alias, _read_sqlite(find_file(source, root), query))
        return alias
    target = str(find_file(source, root).path) if source.type == "duckdb" else _expand_environment(source.attach or "")
    _attach(connection, alias, source, target)
    return f"({query.replace('$db', alias)})"


def _attach(connection: DuckDBPyConnection, alias: str, source: SourceParams, target: str) -> None:
    import duckdb

    try:
        connection.execute(f"DETACH DATABASE IF EXISTS {alias}")
        connection.execute("SET autoinstall_known_extensions = false")  # a run downloads nothing
        if source.type != "duckdb":
            connection.execute(f"LOAD {source.type}")
        connection.execute(f"ATTACH {quote_text(target)} AS {alias} (TYPE {source.type}, READ_ONLY)")
    except duckdb.Error as error:
        reason = redact(str(error).replace(target, source.attach or "")).splitlines()[0]
        hint = ""
        if source.type != "duckdb" and "extension" in reason.lower():
            hint = (
                f"; DuckDB's extension for {source.type} is not installed on this machine: install it once with "
                f"`python -c \"import duckdb; duckdb.sql('INSTALL {source.type}')\"`, or export the tables to Parquet"
            )
            reason = f"the extension {source.type} cannot be loaded"
        raise ContractError(f"data.sources: cannot attach {source.attach}: {reason}{hint}") from None


def _read_sqlite(database: File, query: str) -> Any:
    """Return the rows as an Arrow table of strings; types are checked later, as for text files."""
    import pyarrow as pa

    connection = sqlite3.connect(f"{database.path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda value: value.decode("utf-8", "replace")
    try:
        cursor = connection.execute(query)
        names = [d[0] for d in cursor.description or ()]
        schema = pa.schema([(n, pa.string()) for n in names])
        batches = []
        while rows := cursor.fetchmany(FETCH_ROWS):
            columns = ([_to_text(v) for v in column] for column in zip(*rows, strict=True))
            batches.append(pa.record_batch([pa.array(c, pa.string()) for c in columns], schema=schema))
    except sqlite3.Error as error:
        raise ContractError(
            f"data.sources: {database.name}: expected an SQLite database that answers the query, got: {error}; "
            "correct `query` or `attach`"
        ) from None
    finally:
        connection.close()
    if not names or len({n.lower() for n in names}) < len(names):
        raise ContractError(
            f"data.sources: {database.name}: expected a query with columns of different names, got {names}; "
            "correct `query`"
        )
    return pa.Table.from_batches(batches, schema)


def _to_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _expand_environment(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ContractError(
                f"data.sources: the environment variable {match[1]} is not set, `attach` needs it; set it"
            )
        found = os.environ[match[1]]
        if not Path(found).exists():
            remember(found)
        return found

    return re.sub(r"\$\{(\w+)\}", value, text)
