"""SELECT statements over the records of a source: the shop's expressions on the rows of files or of a database.

The rows of a source are its columns, and under names with a prefix that no column has:
    file    index in OpenedSources.files
    row     number of the record in its file, where it is known already
    broken  the broken rule, where the line is no record
    line    the record as text, where it is JSON or no record
The SELECT has the contract's columns, _file, _row, _broken and _line of these, and:
    _selected  whether the source's `where` holds
    _raw       the source's row as a struct
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.contracts import TABLES
from components.data.conversion import check_types
from components.data.expressions import Expression
from components.data.files import partition_values
from components.data.headers import DELIMITERS, INVISIBLE, Header
from components.data.lines import MAX_LINE, File
from components.data.sql import ROW_NUMBER, quote_list, quote_name, quote_paths, quote_text, read_parquet
from components.errors import ContractError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EACH = "each"  # name of an element of the list of a source's `each`
HEADER_RULE = "line: the header again"
JSON_RULE = "line: not a JSON object"
SQL_VALUES = {"user", "current_user", "session_user", "current_role", "current_catalog", "current_schema"}
Columns = list[tuple[str, str]]  # names and DuckDB types


@dataclass(frozen=True)
class Mapping:
    """The expressions of a source."""

    table: str
    columns: dict[str, Expression]  # the contract's column -> expression over the source's columns
    where: Expression | None
    each: Expression | None = None  # list of which each element gives a row

    @property
    def expressions(self) -> list[Expression]:
        """Return all expressions."""
        return [*self.columns.values(), *(e for e in (self.where, self.each) if e)]

    @property
    def names(self) -> list[str]:
        """Return the columns that the expressions refer to."""
        return list(dict.fromkeys(n for e in self.expressions for n in e.names if not (self.each and n == EACH)))

    @property
    def own_names(self) -> tuple[str, ...]:
        """Return the contract's columns, which a source may have under their own names; a lookup has none."""
        return tuple(TABLES.get(self.table, ()))

    @property
    def unnests(self) -> bool:
        """Return whether a record may give another number of rows than one."""
        return self.each is not None or any(e.unnests for e in self.expressions)

    @property
    def spans(self) -> bool:
        """Return whether a row's values depend on other rows."""
        return any(e.spans for e in self.expressions)

    @property
    def reorders(self) -> bool:
        """Return whether the rows come in another order than they were read."""
        return any(e.reorders for e in self.expressions)

    def over(self, rows: str) -> str:
        """Return the FROM expression that the other expressions see, over records."""
        return f"(SELECT *, unnest({self.each.sql}) AS {EACH} FROM {rows})" if self.each else rows


@dataclass(frozen=True)
class Shape:
    """What files must have in common to be read by one SELECT."""

    kind: str  # "csv", "jsonl", "parquet" or "database"
    repaired: bool = False
    is_gzip: bool = False
    header: Header | None = None
    schema: tuple[tuple[str, str], ...] = ()  # of Parquet: columns and types
    rows: tuple[int, int] | None = None  # of Parquet: the first row that is read, from 0, and the one after the last

    @property
    def hides_index(self) -> bool:
        """Return whether a column has the name of DuckDB's file_index: each file is then read by itself."""
        names = [n for n, _ in self.schema] if self.schema else self.names
        return any(name.lower() == "file_index" for name in names)

    @property
    def names(self) -> list[str]:
        """Return the columns of a text file as they are read: each has a name, and JSON Lines are one column."""
        if self.header is None:
            return ["line"]
        prefix = free_prefix(self.header.names)
        return [name or f"{prefix}unnamed_{n}" for n, name in enumerate(self.header.names, 1)]


@dataclass(frozen=True, eq=False)
class Part:
    """The records of a source that one SELECT reads."""

    mapping: Mapping
    base: int  # _file of the first file
    n_files: int
    rows: str  # FROM expression
    columns: list[str]  # of the source
    prefix: str  # of the other columns of `rows`
    separator: str = ""

    def select(self, rows: str = "") -> str:
        """Return the SELECT over `rows`, by default self.rows; a column that the source does not have is null."""
        p, mapping, known = self.prefix, self.mapping, {c.lower(): c for c in self.columns}
        mapped = []
        for column in TABLES[mapping.table]:
            own = quote_name(known[column]) if column in known else "NULL::VARCHAR"
            mapped.append(f"{mapping.columns[column].sql if column in mapping.columns else own} AS {column}")
        selected = f"{p}broken IS NOT NULL OR coalesce({mapping.where.sql}, false)" if mapping.where else "true"
        return (
            f"SELECT {', '.join(mapped)}, {p}file::INT AS _file, {p}row AS _row, {selected} AS _selected, "
            f"{self.raw} AS _raw, {p}line::VARCHAR AS _line, {p}broken AS _broken "
            f"FROM {mapping.over(rows or self.rows)}"
        )

    @property
    def absent(self) -> frozenset[str]:
        """Return the columns of the table that the source does not have."""
        known = {column.lower() for column in self.columns}
        return frozenset(c for c in TABLES[self.mapping.table] if c not in known and c not in self.mapping.columns)

    @property
    def raw(self) -> str:
        """Return SQL for the source's row as a struct."""
        fields = ", ".join(f"{quote_name(c)} := {quote_name(c)}" for c in self.columns)
        return f"struct_pack({fields})" if fields else "NULL"

    def check(self, connection: DuckDBPyConnection, file: str) -> None:
        """Raise ContractError for an expression that DuckDB cannot apply to the columns, or of a wrong type."""
        import duckdb

        try:
            described = connection.execute(f"DESCRIBE {self.select()}").fetchall()
        except duckdb.Error as error:
            connection.execute(f"DESCRIBE SELECT * FROM {self.rows}")  # an error of the file, not of an expression
            guilty, reason, each = self.mapping.where, str(error), self.mapping.each
            for expression in [*([each] if each else []), *self.mapping.columns.values()]:
                rows = self.rows if expression is each else self.mapping.over(self.rows)
                try:
                    connection.execute(f"DESCRIBE SELECT {expression.sql} FROM {rows}")
                except duckdb.Error as own:
                    guilty, reason = expression, str(own)
                    break
            raise self._error(file, guilty, reason.splitlines()[0].partition("Error: ")[2]) from None
        check_types({str(name): str(kind) for name, kind, *_ in described}, self.mapping.table, file)
        known = {c.lower() for c in self.columns}
        for expression in self.mapping.expressions:
            taken = [n for n in expression.names if n.lower() in SQL_VALUES and n.lower() not in known]
            if taken:
                raise self._error(file, expression, f'no column "{taken[0]}", which SQL takes for a value of its own.')

    def _error(self, file: str, expression: Expression | None, reason: str) -> ContractError:
        label = expression.label if expression else f"data.sources.{self.mapping.table}"
        separated = f", separated by {DELIMITERS.get(self.separator, self.separator)}" if self.separator else ""
        return ContractError(
            f"{label}: {file}: {reason} The columns are {', '.join(map(quote_name, self.columns))}{separated}; correct "
            "the expression"
        )


def free_prefix(columns: Sequence[str]) -> str:
    """Return a prefix that no column begins with."""
    prefix = "_"
    while any(c.lower().startswith(prefix) for c in columns):
        prefix += "_"
    return prefix


def text_reader(shape: Shape, paths: Sequence[str]) -> str:
    """Return read_csv(...) without type detection: all columns are strings, and a broken line is an error."""
    columns = ", ".join(f"{quote_text(c)}: 'VARCHAR'" for c in shape.names)
    header = shape.header
    delimiter, quote = (quote_text(header.delimiter), "'\"'") if header else ("'\x1f'", "''")
    return (
        f"read_csv({quote_paths(paths)}, columns = {{{columns}}}, auto_detect = false, delim = {delimiter}, "
        f"quote = {quote}, escape = {quote}, header = {header is not None}, skip = {header.n_before if header else 0}, "
        f"compression = '{'gzip' if shape.is_gzip else 'none'}', hive_partitioning = false, max_line_size = {MAX_LINE})"
    )


def csv_part(mapping: Mapping, shape: Shape, files: list[File], paths: list[str], base: int, others: Columns) -> Part:
    """Return the part of CSV files with one header; a repeated header is a broken line."""
    header = shape.header or Header((), "", 0, 0)
    own = [n for n in header.names if n]
    reader = read_parquet(paths) if shape.repaired else text_reader(shape, paths)
    repaired = free_prefix(header.names)
    extra = _partitions(mapping, own, files, _file(files, 0)) + [(n, f"NULL::{t}") for n, t in others]
    columns = [*own, *(n for n, _ in extra)]
    p = free_prefix(columns)
    known = f"{repaired}broken" if shape.repaired else "NULL"
    again = " AND ".join(
        f"ltrim({quote_name(name)}, {quote_text(INVISIBLE)}) = {quote_text(raw.lstrip(INVISIBLE))}"
        for name, raw in zip(shape.names, header.raw, strict=True)
        if raw.strip()
    )
    rows = (
        f"(SELECT {', '.join(map(quote_name, own))}{_aliases(extra)}, {_file(files, base)} AS {p}file, "
        f"{f'{repaired}row' if shape.repaired else 'NULL'}::BIGINT AS {p}row, "
        f"coalesce({known}, CASE WHEN {again} THEN {quote_text(HEADER_RULE)} END)::VARCHAR AS {p}broken, "
        f"{f'{repaired}line' if shape.repaired else 'NULL'}::VARCHAR AS {p}line FROM {reader})"
    )
    return Part(mapping, base, len(files), rows, columns, p, header.delimiter)


def json_part(mapping: Mapping, shape: Shape, files: list[File], paths: list[str], base: int) -> Part:
    """Return the part of JSON Lines: the needed keys of each object; a line that is no object breaks a rule."""
    keys = list(dict.fromkeys([*(c for c in mapping.own_names if c not in mapping.columns), *mapping.names]))
    p = free_prefix(keys)
    folders = dict(_partitions(mapping, [], files, f"{p}file - {base}"))
    values = [f"{p}values[{n}]" for n in range(1, len(keys) + 1)]
    values = [f"coalesce({v}, {folders[k]})" if k in folders else v for k, v in zip(keys, values, strict=True)]
    wanted = quote_list(['$."' + k.replace('"', '\\"') + '"' for k in keys])
    reader = read_parquet(paths) if shape.repaired else text_reader(shape, paths)
    row, broken, line = ("_row", "_broken", "coalesce(line, _line)") if shape.repaired else ("NULL", "NULL", "line")
    text = f"trim(line, {quote_text(f' {chr(9)}{chr(13)}{INVISIBLE}')})"
    is_object = f"CASE WHEN json_valid({p}text) THEN json_type({p}text) = 'OBJECT' END"
    rows = (
        f"(SELECT {_listed(values, keys)}{p}line, {p}file, {p}row, CASE WHEN {p}broken IS NOT NULL THEN {p}broken "
        f"WHEN NOT {p}is_object THEN {quote_text(JSON_RULE)} END AS {p}broken "
        f"FROM (SELECT *, CASE WHEN {p}is_object THEN json_extract_string({p}text, {wanted}) END AS {p}values "
        f"FROM (SELECT *, coalesce({is_object}, false) AS {p}is_object "
        f"FROM (SELECT {text} AS {p}text, {line} AS {p}line, {_file(files, base)} AS {p}file, "
        f"{row}::BIGINT AS {p}row, {broken}::VARCHAR AS {p}broken FROM {reader}) "
        f"WHERE {p}broken IS NOT NULL OR {p}text <> '')))"
    )
    return Part(mapping, base, len(files), rows, keys, p)


def typed_part(
    mapping: Mapping, reader: str, own: Columns, files: list[File], base: int, others: Columns, broken: str = "",
    is_numbered: bool = False,
) -> Part:  # fmt: skip
    """Return the part of Parquet files of one schema, or of a database.

    own: its columns; broken: a further column, with the rule that a row breaks already. is_numbered: `reader` has
    ROW_NUMBER, too.
    """
    names = [n for n, _ in own]
    extra = _partitions(mapping, names, files, _file(files, 0)) + [(n, f"NULL::{t}") for n, t in others]
    columns = [*names, *(n for n, _ in extra)]
    p = free_prefix(columns)
    rows = (
        f"(SELECT *{f' EXCLUDE ({ROW_NUMBER})' if is_numbered else ''}{_aliases(extra)}, {_file(files, base)} AS "
        f"{p}file, {f'{ROW_NUMBER} + 1' if is_numbered else 'NULL'}::BIGINT AS {p}row, "
        f"{quote_name(broken) if broken else 'NULL'}::VARCHAR AS {p}broken, NULL::VARCHAR AS {p}line FROM {reader})"
    )
    return Part(mapping, base, len(files), rows, columns, p)


def columns_of(connection: DuckDBPyConnection, reader: str) -> Columns:
    """Return the columns of a FROM expression."""
    return [(str(r[0]), str(r[1])) for r in connection.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()]


def _file(files: list[File], base: int) -> str:
    """Return SQL for the index of a record's file; of one file it is constant, as a column may be named file_index."""
    return f"file_index + {base}" if len(files) > 1 else str(base)


def _partitions(mapping: Mapping, own: Sequence[str], files: list[File], number: str) -> list[tuple[str, str]]:
    """Return the names in the expressions that are no column but a folder's key (`key=value`), with SQL for each.

    number: SQL for the position of a record's file among `files`, from 0.
    """
    folded = {n.lower() for n in own}
    found = []
    for name in mapping.names:
        values = partition_values(files, name) if name.lower() not in folded else None
        if values is not None:
            listed = ", ".join("NULL" if v is None else quote_text(v) for v in values)
            found.append((name, f"([{listed}]::VARCHAR[])[({number})::BIGINT + 1]"))
    return found


def _aliases(extra: list[tuple[str, str]]) -> str:
    return "".join(f", {sql} AS {quote_name(name)}" for name, sql in extra)


def _listed(values: list[str], keys: list[str]) -> str:
    return "".join(f"{v} AS {quote_name(k)}, " for v, k in zip(values, keys, strict=True))
