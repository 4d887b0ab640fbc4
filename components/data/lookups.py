"""Lookups: functions of the sources' expressions that find a value in other files, as data.lookups defines them.

`user_of(order_id)` is null where no row has the key, and where the rows of the key have several values: a value is
never chosen at random. Rows without key or value, and lines that are no records, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.expressions import parse
from components.data.files import find_files
from components.data.lines import File
from components.data.parts import make_parts, read_shape
from components.data.selects import Mapping, Part
from components.data.sql import quote_name
from components.errors import ContractError
from components.params import LookupParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def create_lookups(connection: DuckDBPyConnection, lookups: dict[str, LookupParams], root: Path) -> list[File]:
    """Create the functions and return their files; reads headers only: a file is read when its function is called.

    Raises ContractError for a missing file, a file of another kind, and a wrong expression.
    """
    files = []
    for name, lookup in lookups.items():
        found = find_files(lookup.path, root).files
        files += found
        rows = " UNION ALL ".join(_selects(connection, name, lookup, found))
        connection.execute(
            f"CREATE OR REPLACE VIEW lookup_{name} AS SELECT k, CASE WHEN min(v) = max(v) THEN min(v) END AS v "
            f"FROM ({rows}) WHERE k IS NOT NULL AND v IS NOT NULL GROUP BY k"
        )
        connection.execute(f"CREATE OR REPLACE MACRO {name}(x) AS (SELECT v FROM lookup_{name} WHERE k = x::VARCHAR)")
    return files


def parse_lookup(connection: DuckDBPyConnection, name: str, lookup: LookupParams) -> Mapping:
    """Return the expressions key and value; raises ContractError where one is none."""
    label = f"data.lookups.{name}"
    texts = {"key": lookup.key, "value": lookup.value}
    return Mapping("", {c: parse(connection, f"{label}.{c}", text) for c, text in texts.items()}, None)


def _selects(connection: DuckDBPyConnection, name: str, lookup: LookupParams, files: list[File]) -> Iterator[str]:
    mapping = parse_lookup(connection, name, lookup)
    shapes = [read_shape(file, mapping, None) for file in files]
    for group in make_parts(connection, mapping, files, shapes, {}, 0, lookup.optional):
        part = group.part
        key, value = mapping.columns["key"].sql, mapping.columns["value"].sql
        select = f"SELECT {key}::VARCHAR AS k, {value} AS v FROM {part.rows} WHERE {part.prefix}broken IS NULL"
        _check(connection, name, group.files[0].name, part, select)
        yield select


def _check(connection: DuckDBPyConnection, name: str, file: str, part: Part, select: str) -> None:
    import duckdb

    try:
        connection.execute(f"DESCRIBE {select}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].partition("Error: ")[2]
        raise ContractError(
            f"data.lookups.{name}: {file}: {reason} The columns are {', '.join(map(quote_name, part.columns))}; "
            "correct the expression"
        ) from None
