"""Where the shop's tables come from: files of four kinds or an SQL database, as params.data.sources maps them."""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from components.contracts import TABLES
from components.errors import ContractError
from components.params import Data, Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
MAX_LINE = 16_000_000  # bytes; a longer line is quarantined as a whole, its text cut
SAMPLED_LINES = 1_000  # of a JSONL file, to learn its keys


@dataclass(frozen=True)
class Opened:
    """A source ready to be read once: SQL that yields our columns, _file, _kept, _raw and, for JSON, _broken."""

    sql: str
    rejects: str = ""  # DuckDB's table of the lines that it could not split
    header: int = 0  # lines before the first record
    files: list[str] = field(default_factory=list)


def fingerprint(data: Data, root: Path) -> dict[str, Any]:
    """Return what the sources look like now: sizes and times of their files. DVC ingests again when it changes.

    A database server cannot be looked at from outside: it counts as changed when as_of does.
    """
    if data.simulated:
        return {"simulated": True}
    seen: dict[str, Any] = {}
    for table, sources in data.sources.items():
        for source in sources:
            if source.path is not None:
                paths = files(source.path, root)
            elif source.type in ("sqlite", "duckdb"):
                paths = [_database(source, root)]
            else:
                seen[f"{table}: {source.attach}"] = data.as_of.isoformat()
                continue
            for path in paths:
                stat = path.stat()
                seen[f"{table}: {shown(path, root)}"] = [stat.st_size, stat.st_mtime_ns]
    return seen


def files(pattern: str, root: Path) -> list[Path]:
    """Return the files of a path, folder or glob below root, sorted; raises ContractError when there are none."""
    path = Path(pattern)
    path = path if path.is_absolute() else root / path
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.name.endswith(SUFFIXES)]
    elif any(c in pattern for c in "*?["):
        base = Path(path.anchor)
        found = list(base.glob(str(path.relative_to(base))))
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise ContractError(f"source {pattern}: expected files ({', '.join(SUFFIXES)}), found none; check data.sources")
    unknown = [p.name for p in found if not p.name.endswith(SUFFIXES)]
    if unknown:
        raise ContractError(f"source {pattern}: {unknown[0]} is none of {', '.join(SUFFIXES)}; convert or rename it")
    return sorted(found)


def open_source(connection: DuckDBPyConnection, table: str, number: int, source: Source, root: Path) -> Opened:
    """Return the SQL that reads one source of a table; nothing is read yet but headers."""
    if source.path is None:
        return _open_database(connection, table, number, source, root)
    paths = files(source.path, root)
    kinds = {p.name.removesuffix(".gz").rsplit(".", 1)[1] for p in paths}
    if len(kinds) > 1:
        raise ContractError(f"source {source.path}: files of several kinds {sorted(kinds)}; make one source of each")
    names = [str(p) for p in paths]
    kind = kinds.pop()
    if kind == "parquet":
        read = f"read_parquet({_list(names)}, filename = true, union_by_name = true)"
        return Opened(_select(table, source, read, _columns_of(connection, read)), files=names)
    if kind == "jsonl":
        return Opened(_select_json(table, source, names, _keys(paths)), files=names)
    return _open_csv(table, number, source, paths)


def _open_csv(table: str, number: int, source: Source, paths: list[Path]) -> Opened:
    header, delimiter = _header(paths[0])
    for path in paths[1:]:
        if _header(path) != (header, delimiter):
            raise ContractError(f"{path}: its header differs from {paths[0].name}'s; make a source of its own of it")
    columns = ", ".join(f"{_quoted(c)}: 'VARCHAR'" for c in header)
    rejects = f"rejects_{table}_{number}"
    read = (
        f"read_csv({_list([str(p) for p in paths])}, columns = {{{columns}}}, auto_detect = false, header = true, "
        f"delim = {_quoted(delimiter)}, quote = '\"', escape = '\"', filename = true, store_rejects = true, "
        f"rejects_table = '{rejects}', rejects_scan = '{rejects}_scans', max_line_size = {MAX_LINE})"
    )
    return Opened(_select(table, source, read, header), rejects=rejects, header=1, files=[str(p) for p in paths])


def _select(table: str, source: Source, read: str, have: list[str]) -> str:
    """Map the source's columns to ours; a column that nobody has is null."""
    own = [c for c in have if c != "filename"]
    known = {c.lower(): c for c in own}
    mapped = []
    for column in TABLES[table]:
        expression = source.columns.get(column) or (_name(known[column]) if column in known else "NULL::VARCHAR")
        mapped.append(f"{expression} AS {column}")
    raw = ", ".join(f"{_name(c)} := {_name(c)}" for c in own)
    kept = f"coalesce(({source.where}), false)" if source.where else "true"
    return (
        f"SELECT {', '.join(mapped)}, filename AS _file, {kept} AS _kept, "
        f"struct_pack({raw}) AS _raw, NULL::VARCHAR AS _broken FROM {read}"
    )


def _select_json(table: str, source: Source, names: list[str], keys: list[str]) -> str:
    """Read lines, and take keys out of those that are JSON objects; the others are broken, not lost."""
    lines = (
        f"read_csv({_list(names)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, "
        f"delim = '\x1f', quote = '', escape = '', filename = true, max_line_size = {MAX_LINE}, "
        "ignore_errors = false, null_padding = true, strict_mode = false)"
    )
    taken = ", ".join(f"json_extract_string(object, {_quoted(f'$.{_json_key(k)}')}) AS {_name(k)}" for k in keys)
    parsed = (
        "(SELECT line, filename, CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' THEN line::JSON END "
        f"AS object FROM {lines} WHERE trim(line) <> '')"
    )
    read = f"(SELECT filename, line, object IS NULL AS no_object, {taken} FROM {parsed})"
    sql = _select(table, source, read, [*keys, "filename"])
    sql = sql.replace("NULL::VARCHAR AS _broken", "CASE WHEN no_object THEN 'line: not a JSON object' END AS _broken")
    return re.sub(r"struct_pack\(.*?\) AS _raw", "struct_pack(line := line) AS _raw", sql)


def _open_database(connection: DuckDBPyConnection, table: str, number: int, source: Source, root: Path) -> Opened:
    name, query = f"source_{table}_{number}", source.query or ""
    if source.type == "sqlite":  # read by Python itself: DuckDB would have to download an extension
        connection.register(name, _sqlite(_database(source, root), query))
        query = f"SELECT * FROM {name}"
    else:
        _attach(connection, name, source)
        query = query.replace("$db", name)
    read = f"(SELECT *, {_quoted(source.attach or '')} AS filename FROM ({query}))"
    return Opened(_select(table, source, read, _columns_of(connection, f"({query})")))


def _attach(connection: DuckDBPyConnection, name: str, source: Source) -> None:
    import duckdb

    target = _environment(source.attach or "")
    try:
        connection.execute(f"ATTACH {_quoted(target)} AS {name} (TYPE {source.type}, READ_ONLY)")
    except duckdb.Error as error:
        reason = str(error).replace(target, source.attach or "").splitlines()[0]  # the target may hold a password
        raise ContractError(f"data.sources: cannot attach {source.attach}: {reason}") from None


def _sqlite(path: Path, query: str) -> Any:
    import pyarrow as pa

    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        try:
            cursor = database.execute(query)
        except sqlite3.Error as error:
            raise ContractError(f"{path}: the query of data.sources fails: {error}") from None
        names = [d[0] for d in cursor.description]
        rows = cursor.fetchall()
    text = [[None if v is None else str(v) for v in column] for column in zip(*rows, strict=True)]
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, text or [[]] * len(names), strict=True)})


def _database(source: Source, root: Path) -> Path:
    path = root / _environment(source.attach or "")
    if not path.is_file():
        raise ContractError(f"database {source.attach}: expected a file, found none; check data.sources")
    return path


def _environment(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ContractError(f"data.sources: the environment has no {match[1]}, which `attach` asks for")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _header(path: Path) -> tuple[list[str], str]:
    with _open_text(path) as file:
        line = _first_line(file, path)
    delimiter = max(",;\t|", key=line.count)
    import csv

    names = [n.strip() for n in next(csv.reader([line], delimiter=delimiter))]
    twice = {n for n in names if names.count(n) > 1}
    if twice or "" in names:
        raise ContractError(f"{path}: header names a column twice or not at all {sorted(twice)}: {line[:200]!r}")
    return names, delimiter


def _first_line(file: TextIO, path: Path) -> str:
    try:
        line = file.readline(1_000_000).rstrip("\r\n")
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        wanted = "expected UTF-8 text, gzip when it ends in .gz"
        raise ContractError(f"{path}: cannot be read ({error}); {wanted}") from None
    if not line.strip():
        raise ContractError(f"{path}: empty; expected a first line with column names, or remove the file")
    return line


def _keys(paths: list[Path]) -> list[str]:
    import json

    keys: dict[str, None] = {}
    for path in paths:
        with _open_text(path) as file:
            for line in islice(_lines(file, path), SAMPLED_LINES):
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                keys.update(dict.fromkeys(row if isinstance(row, dict) else ()))
    if not keys:
        raise ContractError(f"{paths[0]}: no JSON object in its first {SAMPLED_LINES} lines; expected JSON Lines")
    return [k for k in keys if k not in ("filename", "line", "no_object", "object")]


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    try:
        yield from file
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise ContractError(f"{path}: cannot be read ({error}); the file is damaged, fetch it again") from None


def _open_text(path: Path) -> TextIO:
    errors = "replace" if ".jsonl" in path.name else "strict"
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors=errors)
    return path.open(encoding="utf-8-sig", errors=errors)


def _columns_of(connection: DuckDBPyConnection, read: str) -> list[str]:
    return [str(r[0]) for r in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]


def shown(path: Path, root: Path) -> str:
    """Return the path as a person knows it: relative to the checkout where it is below it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _json_key(key: str) -> str:
    return '"' + key.replace('"', '""') + '"'


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(names: list[str]) -> str:
    return "[" + ", ".join(_quoted(n) for n in names) + "]"


def describe(data: Data, table: str, root: Path) -> str:
    """Return how many files a table has, after opening each one's header; raises ContractError when one cannot be."""
    import duckdb

    n_files = 0
    with duckdb.connect() as connection:
        for number, source in enumerate(data.of(table)):
            opened = open_source(connection, table, number, source, root)
            n_files += len(opened.files)
    return f"{len(data.of(table))} source(s), {n_files} file(s)"
