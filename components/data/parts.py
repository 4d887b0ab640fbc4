"""The files of a source, or of a lookup, as parts: one for each run of files of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.headers import check_content, read_header
from components.data.lines import File
from components.data.selects import (
    Columns,
    Mapping,
    Part,
    Shape,
    columns_of,
    csv_part,
    json_part,
    typed_part,
)
from components.data.sql import read_parquet
from components.errors import ContractError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Group:
    """Consecutive files of one shape."""

    shape: Shape
    files: list[File]
    part: Part
    others: Columns  # used columns that these files do not have and others have: null

    @property
    def absent(self) -> list[str]:
        """Return the names of `others`; of JSON Lines, whose keys are not known, none."""
        return [] if self.shape.kind == "jsonl" else [name for name, _ in self.others]


def read_shape(file: File, mapping: Mapping, delimiter: str | None, is_repaired: bool = False) -> Shape:
    """Return the shape of a file; raises ContractError where it is not of the kind that its name says."""
    if file.kind == "csv":
        known = {*mapping.own_names, *(n.lower() for n in mapping.names)}
        return Shape("csv", is_repaired, file.is_gzip, read_header(file, delimiter, known))
    check_content(file)
    if file.kind == "jsonl":
        return Shape("jsonl", is_repaired, file.is_gzip)
    return Shape("parquet", schema=_read_schema(file))


def make_parts(
    connection: DuckDBPyConnection,
    mapping: Mapping,
    files: list[File],
    shapes: list[Shape],
    repaired: dict[Path, Path],
    base: int,
    optional: Sequence[str],
    elsewhere: Sequence[tuple[str, str]] = (),
) -> list[Group]:
    """Return the parts of files with these shapes.

    A column that only other files have, or that is optional, is null; any other in an expression is an error.
    base: _file of the first file. repaired: text file -> Parquet file that is read in its place. elsewhere: columns of
    files of the same source that are not among these.
    """
    found = []
    for (shape, _), pairs in groupby(zip(shapes, files, strict=True), key=lambda p: (p[0], p[0].hides_index and p[1])):
        group = [file for _, file in pairs]
        paths = [str(repaired.get(f.path, f.path).absolute()) for f in group]
        found.append((shape, group, paths, _columns(connection, shape, paths)))
    everywhere = {name.lower(): (name, "VARCHAR") for name in optional}
    everywhere |= {name.lower(): (name, kind) for name, kind in elsewhere}
    everywhere |= {name.lower(): (name, kind) for *_, columns in found for name, kind in columns}
    used = {name.lower() for e in mapping.expressions if e is not mapping.where for name in e.names}
    used |= {name for name in mapping.own_names if name not in mapping.columns}
    used |= {name.lower() for name in optional}
    groups = []
    for shape, group, paths, columns in found:
        have = {name.lower() for name, _ in columns}
        others = [pair for name, pair in everywhere.items() if name in used - have]
        if shape.kind == "jsonl":
            part = json_part(mapping, shape, group, paths, base)
        elif shape.kind == "csv":
            part = csv_part(mapping, shape, group, paths, base, others)
        else:
            reader, is_numbered = read_parquet(paths, shape.rows), shape.rows is not None
            part = typed_part(mapping, reader, columns, group, base, others, is_numbered=is_numbered)
        groups.append(Group(shape, group, part, others))
        base += len(group)
    return groups


def _read_schema(file: File) -> tuple[tuple[str, str], ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple((field.name, str(field.type)) for field in pq.read_schema(file.path))
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0].replace(str(file.path), file.name)
        raise ContractError(f"{file.name}: cannot be read: expected Parquet, got: {reason}; fetch it again") from None


def _columns(connection: DuckDBPyConnection, shape: Shape, paths: list[str]) -> Columns:
    if shape.header:
        return [(name, "VARCHAR") for name in shape.header.names if name]
    return columns_of(connection, read_parquet(paths)) if shape.kind == "parquet" else []
