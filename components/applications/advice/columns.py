"""Looks at files and databases: their tables, the columns of each, and the values of these.

A table is the files of one header, in one folder; a table of an SQLite database; or the list of records in each line
of a JSON file (an order with its lines), which is unnested as `each` of the overlay does it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.applications.advice.json_records import quote_if_needed, read_keys, read_tree
from components.applications.advice.values import NumberForm, TimeForm, find_number_form, find_time_form
from components.data.databases import attach
from components.data.expressions import parse
from components.data.files import NotRead, find_files
from components.data.lines import File
from components.data.parts import make_parts, read_shape
from components.data.selects import EACH, Mapping
from components.data.sources import OpenedSources, repair_files
from components.data.sql import quote_name, quote_text
from components.errors import ContractError
from components.params import SourceParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_ROWS = 2_000_000  # of a table that are looked at
MAX_VALUES = 2_000  # distinct values of a column that are looked at
DATABASES = (".db", ".sqlite", ".sqlite3")
_NULLS = ("", "null", "none", "nan", "\\n", "n/a", "na", "nat", "undefined", "-")


@dataclass(frozen=True)
class SourceColumn:
    """A column, or a value in a record of JSON, with what was seen of it."""

    name: str  # as in the file; of a nested value, the path: customer.id
    sql: str  # DuckDB expression over the source's columns
    n_values: int  # rows that have a value
    n_distinct: int
    values: tuple[str, ...]  # at most MAX_VALUES distinct ones, in an order that depends on the values alone
    counts: tuple[int, ...]  # rows of each of `values`

    @cached_property
    def number(self) -> NumberForm | None:
        """Return how the values write numbers; None where they are none."""
        return find_number_form(self.values)

    def time(self, is_named: bool, order: str = "") -> TimeForm | None:
        """Return how the values write times, as `find_time_form` does."""
        return find_time_form(self.values, is_named, order)

    @cached_property
    def mean_words(self) -> float:
        """Return the mean number of words of the distinct values."""
        return sum(len(v.split()) for v in self.values) / max(len(self.values), 1)

    @property
    def is_id(self) -> bool:
        """Return whether the values can be ids: short, without many blanks, and no fractions."""
        number = self.number
        if not self.values or (number and not number.is_whole):
            return False
        return self.mean_words < 1.6 and sum(map(len, self.values)) / len(self.values) <= 64


@dataclass
class Table:
    """The rows of files of one kind, loaded into DuckDB under `view`."""

    name: str  # for messages: of the file, or of the database's table
    view: str
    paths: tuple[str, ...]  # for `path` of an overlay, relative to the data root where below it
    n_rows: int
    columns: list[SourceColumn]
    each: str | None = None
    database: dict[str, str] = field(default_factory=dict)  # attach, type, query
    delimiter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(c.name for c in self.columns)

    def source(self) -> dict[str, Any]:
        """Return the keys with which an overlay names the first of the table's files, or the database."""
        start: dict[str, Any] = dict(self.database) if self.database else {"path": self.paths[0]}
        return start | ({"each": self.each} if self.each else {})

    def column(self, name: str) -> SourceColumn:
        """Return the column of this name."""
        return next(c for c in self.columns if c.name == name)


@dataclass
class Looked:
    """All tables that were found, and the files that were not read."""

    connection: DuckDBPyConnection
    tables: list[Table] = field(default_factory=list)
    not_read: list[NotRead] = field(default_factory=list)


def look(paths: Sequence[Path], root: Path, spill: Path) -> Looked:
    """Return the tables of files and folders; raises ContractError where there are none, or one cannot be read.

    root: the data root, to which paths of an overlay are relative. spill: an empty folder for repaired copies.
    """
    import duckdb

    looked = Looked(duckdb.connect(config={"temp_directory": str(spill)}))
    looked.connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    groups: dict[tuple[Any, ...], list[File]] = {}
    for path in paths:
        if path.suffix.lower() in DATABASES:
            _look_at_sqlite(looked, path, root)
            continue
        found = find_files(str(path.resolve()), root)
        looked.not_read += found.not_read
        for file in found.files:
            shape = read_shape(file, Mapping("", {}, None), None)
            header = shape.header.raw if shape.header else shape.schema or read_keys(file)
            _check_header(file, shape.header.names if shape.header else ())
            groups.setdefault((shape.kind, file.path.parent, header), []).append(file)
    for files in groups.values():
        _load_files(looked, files, root, spill)
    if not looked.tables:
        raise ContractError("expected files with rows (CSV, JSON Lines, Parquet, SQLite), got none; name the files")
    return looked


def _load_files(looked: Looked, files: list[File], root: Path, spill: Path) -> None:
    """Load the files of one header as one table, and again with the list of records that they hold, if any."""
    connection = looked.connection
    paths = tuple(_relative(f.path, root) for f in files)
    trees = read_tree(files[0]) if files[0].kind == "jsonl" else None
    lists: list[str] = []
    if trees is None:
        shape = read_shape(files[0], Mapping("", {}, None), None)
        names = [n for n in (shape.header.names if shape.header else [n for n, _ in shape.schema]) if n]
        leaves = {name: quote_if_needed(name) for name in names}
    else:
        leaves, lists = trees.leaves, list(trees.lists)
    rows = _rows(connection, files, leaves, lists, spill)
    _add(looked, files[0].path.name, paths, rows, leaves, None, len(looked.tables))
    for name in lists:
        each = f"json_extract({quote_if_needed(name)}, '$[*]')"
        own = {f"{name}.{path}": sql for path, sql in trees.lists[name].items()} if trees else {}
        unnested = f"(SELECT *, unnest({each}) AS {EACH} FROM {rows})"
        _add(looked, f"{files[0].path.name} ({name})", paths, unnested, leaves | own, each, len(looked.tables))


def _rows(
    connection: DuckDBPyConnection, files: list[File], leaves: dict[str, str], lists: list[str], spill: Path
) -> str:
    """Return SQL for the records of the files; repairs those that DuckDB cannot split."""
    import duckdb

    wanted = {
        f"c{n}": parse(connection, "column", sql)
        for n, sql in enumerate([*leaves.values(), *map(quote_if_needed, lists)])
    }
    mapping, copies = Mapping("", wanted, None), dict[Path, Path]()
    while True:
        shapes = [read_shape(f, mapping, None, f.path in copies) for f in files]
        groups = make_parts(connection, mapping, files, shapes, copies, 0, [])
        keep = ", ".join(dict.fromkeys(quote_name(n) for g in groups for n in g.part.columns))
        rows = " UNION ALL BY NAME ".join(
            f"SELECT {keep} FROM {g.part.rows} WHERE {g.part.prefix}broken IS NULL" for g in groups
        )
        try:
            connection.execute(f"SELECT count(*) FROM ({rows} LIMIT {MAX_ROWS}) WHERE hash({keep}) = 0")
        except duckdb.Error as error:
            left = [n for n, f in enumerate(files) if f.path not in copies and f.kind in ("csv", "jsonl")]
            if not left:
                raise ContractError(f"{files[0].name}: cannot be read: {str(error).splitlines()[0]}") from None
            opened = OpenedSources(files=files, shapes=shapes)
            copies |= repair_files(opened, left, copies, spill / f"repaired-{files[0].path.stem}")
            continue
        return f"({rows} LIMIT {MAX_ROWS})"


def _add(
    looked: Looked, name: str, paths: tuple[str, ...], rows: str, leaves: dict[str, str], each: str | None, number: int
) -> None:
    """Load the values of the rows as text, look at each column, and add the table."""
    view = f"looked_{number}"
    listed = ", ".join(f"CAST({sql} AS VARCHAR) AS c{n}" for n, sql in enumerate(leaves.values()))
    looked.connection.execute(f"CREATE TABLE {view} AS SELECT {listed} FROM {rows}")
    n_rows = _one(looked.connection, f"SELECT count(*) FROM {view}")
    columns = [_examine(looked.connection, view, f"c{n}", *leaf) for n, leaf in enumerate(leaves.items())]
    looked.tables.append(Table(name, view, paths, n_rows, columns, each))


def _examine(connection: DuckDBPyConnection, view: str, alias: str, name: str, sql: str) -> SourceColumn:
    nulls = ", ".join(map(quote_text, _NULLS))
    values = (
        f"(SELECT trim({alias}) AS v FROM {view} WHERE {alias} IS NOT NULL AND lower(trim({alias})) NOT IN ({nulls}))"
    )
    n_values, n_distinct = connection.execute(f"SELECT count(*), count(DISTINCT v) FROM {values}").fetchone() or (0, 0)
    rows = connection.execute(
        f"SELECT left(v, 400), count(*) FROM {values} GROUP BY v ORDER BY hash(v) LIMIT {MAX_VALUES}"
    ).fetchall()
    return SourceColumn(name, sql, n_values, n_distinct, tuple(r[0] for r in rows), tuple(r[1] for r in rows))


def alias_of(table: Table, column: SourceColumn) -> str:
    """Return the name under which the table's view has the column."""
    return f"c{next(n for n, c in enumerate(table.columns) if c is column)}"


def _look_at_sqlite(looked: Looked, path: Path, root: Path) -> None:
    """Add each table of an SQLite database."""
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    except sqlite3.Error as error:
        raise ContractError(f"{path.name}: expected an SQLite database, got: {error}; check the file") from None
    for name in (n for n in names if not n.startswith("sqlite_")):
        query = f"SELECT * FROM {quote_name(name)}"
        database = {"attach": _relative(path.resolve(), root), "type": "sqlite", "query": query}
        source = SourceParams.model_validate(database)
        read, broken = attach(looked.connection, f"sqlite_{len(looked.tables)}", source, root)
        described = looked.connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()
        leaves = {str(row[0]): quote_if_needed(str(row[0])) for row in described if row[0] != broken}
        _add(
            looked,
            f"{path.name}:{name}",
            (),
            f"(SELECT * FROM {read} LIMIT {MAX_ROWS})",
            leaves,
            None,
            len(looked.tables),
        )
        looked.tables[-1].database = database


def _check_header(file: File, names: Sequence[str]) -> None:
    """Raise ContractError where the first line of a CSV file looks like a row of values."""
    values = [name for name in names if re.fullmatch(r"[-+]?\d+([.,]\d+)*|\d{4}-\d{2}-\d{2}.*", name)]
    if names and 2 * len(values) > len(names):
        raise ContractError(
            f"{file.name}: expected a first line with column names, got values ({', '.join(names)[:80]}); add a "
            "line such as user_id,item_id,timestamp,event"
        )


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
