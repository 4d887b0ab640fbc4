"""SQL databases as sources: SQLite read by Python itself, DuckDB and servers attached."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.lines import File
from components.data.sql import quoted
from components.errors import ContractError
from components.params import SourceParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IN_A_FILE = ("sqlite", "duckdb")
FETCHED = 50_000  # SQLite rows at once


def file(source: SourceParams, root: Path) -> File:
    """Return the file of a SQLite or DuckDB database; raises ContractError where there is none."""
    target = _environment(source.attach or "")
    if ".." in Path(target).parts:
        raise ContractError(f"database {source.attach}: expected a path below the checkout, or an absolute one")
    path = root / target
    if not path.is_file():
        raise ContractError(f"database {source.attach}: expected a file, found none; check data.sources")
    return File(path, source.attach or "")


def shown(source: SourceParams, root: Path) -> File:
    """Return the name under which a database's rows stand in quarantine; of a server never its address."""
    return file(source, root) if source.type in IN_A_FILE else File(Path("server"), source.attach or "")


def attach(connection: DuckDBPyConnection, alias: str, source: SourceParams, root: Path) -> str:
    """Return what to select from: the rows of the source's query. $db in the query names the attached database."""
    query = source.query or ""
    if source.type == "sqlite":  # DuckDB's own reader is an extension that would have to be downloaded
        connection.register(alias, _sqlite(file(source, root), query))
        return alias
    target = str(file(source, root).path) if source.type == "duckdb" else _environment(source.attach or "")
    _attach(connection, alias, source, target)
    return f"({query.replace('$db', alias)})"


def _attach(connection: DuckDBPyConnection, alias: str, source: SourceParams, target: str) -> None:
    import duckdb

    try:
        connection.execute(f"DETACH DATABASE IF EXISTS {alias}")
        connection.execute("SET autoinstall_known_extensions = false")  # nothing is downloaded while a run is on
        if source.type != "duckdb":
            connection.execute(f"LOAD {source.type}")
        connection.execute(f"ATTACH {quoted(target)} AS {alias} (TYPE {source.type}, READ_ONLY)")
    except duckdb.Error as error:
        reason = str(error).replace(target, source.attach or "").splitlines()[0]  # the target may hold a password
        hint = ""
        if source.type != "duckdb" and "extension" in reason.lower():
            hint = (
                f". DuckDB's extension for {source.type} is not on this machine: install it once with "
                f"`python -c \"import duckdb; duckdb.sql('INSTALL {source.type}')\"`, or export the tables to Parquet"
            )
            reason = f"the extension {source.type} cannot be loaded"
        raise ContractError(f"data.sources: cannot attach {source.attach}: {reason}{hint}") from None


def _sqlite(database: File, query: str) -> Any:
    """Return the rows as an Arrow table of strings; our own types are judged later, as with text files."""
    import pyarrow as pa

    connection = sqlite3.connect(f"{database.path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda value: value.decode("utf-8", "replace")
    try:
        cursor = connection.execute(query)
        names = [d[0] for d in cursor.description or ()]
        schema = pa.schema([(n, pa.string()) for n in names])
        batches = []
        while rows := cursor.fetchmany(FETCHED):
            columns = ([_text(v) for v in column] for column in zip(*rows, strict=True))
            batches.append(pa.record_batch([pa.array(c, pa.string()) for c in columns], schema=schema))
    except sqlite3.Error as error:
        raise ContractError(f"{database.name}: cannot be read with the query of data.sources: {error}") from None
    finally:
        connection.close()
    if not names or len({n.lower() for n in names}) < len(names):
        raise ContractError(f"{database.name}: expected a query with columns of different names, got {names}")
    return pa.Table.from_batches(batches, schema)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _environment(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ContractError(f"data.sources: the environment has no {match[1]}, which `attach` asks for")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)
