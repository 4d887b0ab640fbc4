"""Sources of the shop's tables: CSV, JSONL and Parquet files or SQL databases, as data.sources maps them.

Each source becomes a SELECT that DuckDB streams, with the contract's columns and:
    _file      index in OpenedSources.files
    _row       number of the record in its file, where it is known already
    _selected  whether the source's `where` holds
    _broken    the broken rule, where the line is no record
    _raw       the source's row as a struct
    _line      the source's row as text, where it is JSON or no record
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import TABLES
from components.data import databases
from components.data.csv_repair import repair
from components.data.lines import MAX_LINE, File, read_lines, verify_gzip
from components.data.sql import quote_list, quote_name, quote_text
from components.errors import ContractError
from components.params import DataParams, SourceParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
MAX_HEADER = 1_000_000  # bytes


@dataclass
class OpenedSources:
    """The sources of one table as SELECT statements."""

    selects: list[str] = field(default_factory=list)
    files: list[File] = field(
        default_factory=list
    )  # _file is an index into this list; a database is listed under its name


def fingerprint(data: DataParams, root: Path) -> dict[str, Any]:
    """Return sizes and modification times of the sources' files; the stage `ingest` runs again when they change.

    A database server has no such state: it counts as changed when data.as_of changes.
    """
    if data.simulated:
        return {"simulated": True}
    seen: dict[str, Any] = {}
    for table, sources in data.sources.items():
        for source in sources:
            if source.path is not None:
                found = find_files(source.path, root)
            elif source.type in databases.FILE_DATABASES:
                found = [databases.find_file(source, root)]
            else:
                seen[f"{table}: {source.attach}"] = data.as_of.isoformat()
                continue
            for file in found:
                stat = file.path.stat()
                seen[f"{table}: {file.name}"] = [stat.st_size, stat.st_mtime_ns]
    return seen


def find_files(pattern: str, root: Path) -> list[File]:
    """Return the files of a path, folder or glob pattern, sorted; raises ContractError where there are none."""
    if ".." in Path(pattern).parts:
        raise ContractError(
            f"data.sources: path {pattern}: expected a path below the checkout or an absolute path, got one with `..`"
        )
    path = root / pattern
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.name.endswith(SUFFIXES)]
    elif path.is_file():
        found = [path]
    else:
        base = Path(path.anchor)
        found = list(base.glob(str(path.relative_to(base)))) if any(c in pattern for c in "*?[") else []
    if not found:
        raise ContractError(
            f"data.sources: path {pattern}: expected files ({', '.join(SUFFIXES)}), found none; correct the path"
        )
    named = [File(p, str(p.relative_to(root)) if p.is_relative_to(root) else str(p)) for p in sorted(found)]
    for file in named:
        if not file.path.name.endswith(SUFFIXES) or not file.path.is_file():
            raise ContractError(
                f"{file.name}: expected a file of kind {', '.join(SUFFIXES)}; convert it, or narrow the pattern"
            )
    return named


def verify_compressed(table: str, data: DataParams, root: Path) -> None:
    """Raise ContractError where a gzip file among the table's sources is damaged or a decompression bomb."""
    verify_gzip(f for source in data.of(table) if source.path is not None for f in find_files(source.path, root))


def open_sources(
    connection: DuckDBPyConnection,
    opened: OpenedSources,
    table: str,
    data: DataParams,
    root: Path,
    repaired: dict[Path, Path],
) -> None:
    """Fill `opened` with all sources of a table; `repaired`: text file -> Parquet file that is read in its place.

    Reads headers only. Raises ContractError for a file of another kind, or without a header.
    """
    for number, source in enumerate(data.of(table)):
        if source.path is None:
            base = len(opened.files)
            opened.files.append(databases.quarantine_file(source, root))
            read = databases.attach(connection, f"source_{table}_{number}", source, root)
            rows = f"(SELECT *, {base} AS _file, NULL::BIGINT AS _row, NULL::VARCHAR AS _broken FROM {read})"
            opened.selects.append(_select(table, source, rows, _columns_of(connection, read)))
            continue
        found = find_files(source.path, root)
        shapes = {f.path: _shape(f, f.path in repaired) for f in found}
        for shape, group in groupby(found, key=lambda f: shapes[f.path]):
            part = list(group)
            base = len(opened.files)
            opened.files += part
            paths = [str(repaired.get(f.path, f.path)) for f in part]
            opened.selects.append(_open(connection, table, source, shape, paths, base))


@dataclass(frozen=True)
class _Shape:
    """What files must have in common to be read by one SELECT."""

    kind: str
    repaired: bool
    header: tuple[str, ...] = ()
    delimiter: str = ""


def repair_unreadable(
    connection: DuckDBPyConnection, opened: OpenedSources, repaired: dict[Path, Path], folder: Path
) -> dict[Path, Path]:
    """Repair the text files that DuckDB cannot split into records; return file -> repaired copy below `folder`."""
    import duckdb

    copies: dict[Path, Path] = {}
    for file in opened.files:
        if file.kind not in ("csv", "jsonl") or file.path in repaired:
            continue
        shape = _shape(file, False)
        columns = ", ".join(quote_name(c) for c in shape.header or ["line"])
        try:
            connection.execute(
                f"SELECT bit_xor(hash({columns})) FROM {_text_reader(shape, [str(file.path)])}"
            ).fetchall()
        except duckdb.Error:
            header = list(shape.header) if shape.kind == "csv" else None
            copies[file.path] = repair(file, header, shape.delimiter, folder / f"{len(repaired) + len(copies)}.parquet")
    return copies


def _shape(file: File, is_repaired: bool) -> _Shape:
    if file.kind == "parquet":
        return _Shape("parquet", False)
    if file.kind == "jsonl":
        return _Shape("jsonl", is_repaired)
    header, delimiter = _header(file)
    return _Shape("csv", is_repaired, tuple(header), delimiter)


def _open(
    connection: DuckDBPyConnection, table: str, source: SourceParams, shape: _Shape, paths: list[str], base: int
) -> str:
    extra = f"file_index + {base} AS _file"
    if shape.repaired:
        reader = f"read_parquet({quote_list(paths)})"
    elif shape.kind == "parquet":
        reader = f"read_parquet({quote_list(paths)}, union_by_name = true)"
    else:
        reader = _text_reader(shape, paths)
    if not shape.repaired:
        extra += ", NULL::BIGINT AS _row, NULL::VARCHAR AS _broken"
    if shape.kind == "parquet":
        return _select(table, source, f"(SELECT *, {extra} FROM {reader})", _columns_of(connection, reader))
    rows = f"(SELECT *, {extra} FROM {reader})"
    if shape.kind == "csv":
        return _select(table, source, rows, list(shape.header), "_line" if shape.repaired else "NULL")
    return _select_json(connection, table, source, rows, "coalesce(line, _line)" if shape.repaired else "line")


def _text_reader(shape: _Shape, paths: list[str]) -> str:
    """Return read_csv(...) without type detection: all columns are strings, and a broken line is an error."""
    columns = ", ".join(f"{quote_text(c)}: 'VARCHAR'" for c in shape.header or ["line"])
    delimiter, quote = (quote_text(shape.delimiter), "'\"'") if shape.kind == "csv" else ("'\x1f'", "''")
    return (
        f"read_csv({quote_list(paths)}, columns = {{{columns}}}, auto_detect = false, delim = {delimiter}, "
        f"quote = {quote}, escape = {quote}, header = {shape.kind == 'csv'}, max_line_size = {MAX_LINE})"
    )


def _select(table: str, source: SourceParams, rows: str, have: list[str], line: str = "NULL") -> str:
    """Return the SELECT of a source; a column that it does not have is null. `line`: SQL for the row as text."""
    known = {c.lower(): c for c in have}
    mapped = []
    for column in TABLES[table]:
        expression = source.columns.get(column) or (quote_name(known[column]) if column in known else "NULL::VARCHAR")
        mapped.append(f"{expression} AS {column}")
    raw = f"struct_pack({', '.join(f'{quote_name(c)} := {quote_name(c)}' for c in have)})"
    selected = f"_broken IS NOT NULL OR coalesce(({source.where}), false)" if source.where else "true"
    return (
        f"SELECT {', '.join(mapped)}, _file::INT AS _file, _row, {selected} AS _selected, {raw} AS _raw, "
        f"{line}::VARCHAR AS _line, _broken FROM {rows}"
    )


def _select_json(connection: DuckDBPyConnection, table: str, source: SourceParams, rows: str, line: str) -> str:
    """Return the SELECT of a JSONL source: the needed keys of each object; a line that is no object breaks a rule."""
    keys = [c for c in TABLES[table] if c not in source.columns]
    for expression in [*source.columns.values(), *([source.where] if source.where else [])]:
        keys += [k for k in _names_in(connection, expression) if k not in keys]
    taken = ", ".join(f"_values[{i + 1}] AS {quote_name(k)}" for i, k in enumerate(keys))
    wanted = quote_list(['$."' + k.replace('"', '\\"') + '"' for k in keys])
    is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' END"
    rows = (
        f"(SELECT {line} AS _text, _file, _row, {taken}, CASE WHEN _broken IS NOT NULL THEN _broken "
        "WHEN NOT _is_object THEN 'line: not a JSON object' END AS _broken "
        f"FROM (SELECT *, CASE WHEN _is_object THEN json_extract_string(line, {wanted}) END AS _values "
        f"FROM (SELECT *, coalesce({is_object}, false) AS _is_object "
        f"FROM {rows} WHERE _broken IS NOT NULL OR trim(line, ' \t\r') <> '')))"
    )
    return _select(table, source, rows, keys, "_text")


def _names_in(connection: DuckDBPyConnection, expression: str) -> list[str]:
    """Return the columns that an SQL expression refers to, in order."""
    row = connection.execute("SELECT json_serialize_sql($1)", [f"SELECT {expression}"]).fetchone()
    found: dict[str, None] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("class") == "COLUMN_REF":
                found[str(node["column_names"][0])] = None
            node = list(node.values())
        for child in node if isinstance(node, list) else []:
            walk(child)

    walk(json.loads(row[0]) if row else {})
    return list(found)


def _header(file: File) -> tuple[list[str], str]:
    """Return the column names and the delimiter; raises ContractError where the first line cannot be a header."""
    line = next((text for text in read_lines(file) if text.strip()), b"")
    if not line:
        raise ContractError(
            f"{file.name}: expected a first line with column names, got an empty file; add a header, or remove the file"
        )
    try:
        text = line[: MAX_HEADER + 1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{file.name}: expected UTF-8 text, got other bytes ({error.reason}); convert the file"
        ) from None
    if len(line) > MAX_HEADER or "\0" in text:
        raise ContractError(
            f"{file.name}: expected a header of at most {MAX_HEADER} bytes of text, got {text[:80]!r}; check it"
        )
    delimiter = max(",;\t|", key=text.count)
    names = [n.strip() for n in next(csv.reader([text], delimiter=delimiter))]
    folded = [n.lower() for n in names]
    twice = sorted({n for n in folded if folded.count(n) > 1})
    if twice or "" in names:
        fault = f"has {', '.join(twice)} twice" if any(twice) else "has a column without a name"
        raise ContractError(
            f"{file.name}: expected different column names, but the header {fault}: {text[:200]!r}; correct the file"
        )
    return names, delimiter


def _columns_of(connection: DuckDBPyConnection, read: str) -> list[str]:
    return [str(r[0]) for r in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]


def describe(data: DataParams, table: str, root: Path) -> str:
    """Return the number of sources and files of a table; raises ContractError where a source cannot be opened."""
    import duckdb

    opened = OpenedSources()
    with duckdb.connect() as connection:
        try:
            open_sources(connection, opened, table, data, root, {})
            for select in opened.selects:
                connection.execute(f"DESCRIBE {select}")
        except duckdb.Error as error:
            raise ContractError(f"data.sources.{table}: {str(error).splitlines()[0]}") from None
    return f"{len(data.of(table))} source(s), {len(opened.files)} file(s)"
