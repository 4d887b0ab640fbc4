"""SQL databases as sources: SQLite is read with the sqlite3 module, DuckDB and servers are attached to DuckDB."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import ids
from components.data.lines import File
from components.data.sql import quote_text
from components.errors import ContractError
from components.params import SourceParams
from components.redact import redact, remember

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE_DATABASES = ("sqlite", "duckdb")
FETCH_ROWS = 50_000  # SQLite rows at once
NOT_UTF8 = "line: not UTF-8"
ATTACH = "`attach` in data.sources"


def find_file(source: SourceParams, root: Path) -> File:
    """Return the file of an SQLite or DuckDB database; raises ContractError where there is none."""
    target = expand_environment(source.attach or "", ATTACH)
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


def attach(connection: DuckDBPyConnection, alias: str, source: SourceParams, root: Path) -> tuple[str, str]:
    """Attach the database; return the source's query as a FROM expression, and its column with the rule of broken rows.

    $db in the query is the attached database. Only SQLite has broken rows; for others the column is "".
    """
    query = source.query or ""
    if source.type == "sqlite":  # DuckDB reads SQLite with an extension that would have to be downloaded
        rows = _read_sqlite(find_file(source, root), query)
        connection.register(alias, rows)
        return alias, rows.column_names[-1]
    target = (
        str(find_file(source, root).path)
        if source.type == "duckdb"
        else expand_environment(source.attach or "", ATTACH)
    )
    _attach(connection, alias, source, target)
    return f"({query.replace('$db', alias)})", ""


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


class _NotUtf8(bytes):
    """The bytes of a text that is not UTF-8."""


def _read_sqlite(database: File, query: str) -> Any:
    """Return the rows as an Arrow table: strings, as for text files, doubles, or bytes that are no text.

    The last column holds the rule that a row breaks with a text that is not UTF-8.
    """
    import pyarrow as pa

    connection = sqlite3.connect(f"{database.path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = _decode
    batches: list[list[Any]] = []
    try:
        cursor = connection.execute(query)
        names = [d[0] for d in cursor.description or ()]
        while rows := cursor.fetchmany(FETCH_ROWS):
            broken = [NOT_UTF8 if any(isinstance(v, _NotUtf8) for v in row) else None for row in rows]
            columns = [_to_array(column) for column in zip(*rows, strict=True)]
            batches.append([*columns, pa.array(broken, pa.string())])
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
    chunks = list(zip(*batches, strict=True)) if batches else [()] * (len(names) + 1)
    return pa.table([_unify(list(parts)) for parts in chunks], [*names, "".join(names) + "_broken"])


def _decode(value: bytes) -> str | _NotUtf8:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _NotUtf8(value)


def _to_array(values: tuple[Any, ...]) -> Any:
    """Return doubles where all numbers can be doubles, bytes where a BLOB is no text, else strings."""
    import pyarrow as pa

    kinds = {type(v) for v in values}
    is_exact = all(abs(v) <= int(ids.MAX_EXACT) for v in values if isinstance(v, int))
    if float in kinds and kinds <= {float, int, type(None)} and is_exact:
        return pa.array(values, pa.float64())
    decoded = [_decode(v) if type(v) is bytes else v for v in values]
    if any(isinstance(d, _NotUtf8) and type(v) is bytes for d, v in zip(decoded, values, strict=True)):
        return pa.array([v if v is None or isinstance(v, bytes) else str(v).encode() for v in values], pa.binary())
    return pa.array([_to_text(v) for v in decoded], pa.string())


def _to_text(value: Any) -> str | None:
    if isinstance(value, _NotUtf8):
        return value.decode("utf-8", "backslashreplace")  # only quarantine shows it
    return None if value is None else str(value)


def _unify(parts: list[Any]) -> Any:
    """Return the parts of a column with one type."""
    import pyarrow as pa

    kinds = {part.type for part in parts if part.null_count < len(part)} or {pa.string()}
    kind = kinds.pop() if len(kinds) == 1 else pa.binary() if pa.binary() in kinds else pa.string()
    return pa.chunked_array([part.cast(kind) for part in parts], kind)


def expand_environment(text: str, what: str) -> str:
    """Return the text with the values of its ${NAME}, which are secrets from now on unless they are paths.

    what: needs the variable. Raises ContractError for one that is not set.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ContractError(f"the environment variable {match[1]} is not set, {what} needs it; set it")
        found = os.environ[match[1]]
        if not Path(found).exists():
            remember(found)
        return found

    return re.sub(r"\$\{(\w+)\}", value, text)
