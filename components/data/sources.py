"""Sources of the shop's tables: CSV, JSON Lines and Parquet files or SQL databases, as data.sources maps them.

A source's files are read by one SELECT for each shape of file (selects.py), its database by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from components.contracts import Record
from components.data import databases
from components.data.absent import MAX_NAMED, check_required, describe_absent
from components.data.csv_repair import repair
from components.data.expressions import parse
from components.data.files import HIDDEN, Found, NotRead, find_files, partition_keys
from components.data.headers import DELIMITERS, Header
from components.data.lines import File, find_long_endings
from components.data.lookups import create_lookups
from components.data.parts import Group, make_parts, read_shape
from components.data.picture_folders import open_folder
from components.data.schemas import fields
from components.data.selects import Columns, Mapping, Part, Shape, columns_of, free_prefix, text_reader, typed_part
from components.data.sql import TO_TIMESTAMP, quote_name
from components.errors import ContractError, list_names
from components.params import DataParams, SourceParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ReadFile(Record):
    """A file, or a database, that was read."""

    name: str
    separator: str | None = None  # of CSV
    records: int | None = None  # None: not counted


class SourceReport(Record):
    """What was found at one source."""

    source: str  # path or database, as in the parameters
    files: list[ReadFile]
    not_read: list[NotRead] = Field(default=[])
    notes: list[str] = Field(default=[])  # columns without a name, columns that some files lack, unused folder names


@dataclass
class OpenedSources:
    """The sources of one table, or some of their files, as SELECT statements."""

    base: int = 0  # _file of the first file
    parts: list[Part] = field(default_factory=list)
    origins: list[tuple[int, Columns]] = field(default_factory=list)  # of each part: its source, and Group.others
    files: list[File] = field(default_factory=list)  # _file - base is an index into this list, also for databases
    shapes: list[Shape] = field(default_factory=list)  # of each file
    reports: list[SourceReport] = field(default_factory=list)
    lookup_files: list[File] = field(default_factory=list)

    @property
    def next_base(self) -> int:
        """Return _file of the next file."""
        return self.base + len(self.files)

    def add(self, group: Group, source: int) -> None:
        """Add files of the source with this number."""
        self.parts.append(group.part)
        self.origins.append((source, group.others))
        self.files += group.files
        self.shapes += [group.shape] * len(group.files)


def fingerprint(data: DataParams, root: Path) -> dict[str, Any]:
    """Return sizes and modification times of the sources' files; the stage `ingest` runs again when they change.

    Files that are not read are in it by name. A database server has no such state: it counts as changed when
    data.as_of changes.
    """
    if data.simulated:
        return {"simulated": True}
    seen: dict[str, Any] = {}
    for table, sources in data.sources.items():
        seen |= fingerprint_sources(table, sources, data.as_of, root)
    return seen | fingerprint_lookups(data, root) | fingerprint_modalities(data, root)


def fingerprint_modalities(data: DataParams, root: Path) -> dict[str, Any]:
    """Return the states of the files of data.vectors, and a digest of those of all files below data.pictures."""
    seen: dict[str, Any] = {
        f"vectors.{name}: {file.name}": state_of(file.path)
        for name, source in data.vectors.items()
        for file in find_files(source.path, root).files
    }
    if data.pictures is not None:
        seen[f"pictures: {data.pictures}"] = open_folder(data.pictures, root).digest()
    return seen


def fingerprint_lookups(data: DataParams, root: Path) -> dict[str, Any]:
    """Return sizes and modification times of the files of data.lookups."""
    return {
        f"{name}: {file.name}": state_of(file.path)
        for name, lookup in data.lookups.items()
        for file in find_files(lookup.path, root).files
    }


def fingerprint_sources(table: str, sources: list[SourceParams], as_of: datetime, root: Path) -> dict[str, Any]:
    """Return sizes and modification times of the files of one table's sources, as `fingerprint` does."""
    seen: dict[str, Any] = {}
    for source in sources:
        if source.path is not None:
            found = find_files(source.path, root)
            seen |= {f"{table}: {n.name}": n.reason for n in found.not_read if n.reason != HIDDEN}
            files = found.files
        elif source.type in databases.FILE_DATABASES:
            files = [databases.find_file(source, root)]
        else:
            seen[f"{table}: {source.attach}"] = as_of.isoformat()
            continue
        for file in files:
            seen[f"{table}: {file.name}"] = state_of(file.path)
    return seen


def state_of(path: Path) -> list[int]:
    """Return a file's size in bytes and its time of modification in ns."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def open_sources(
    connection: DuckDBPyConnection,
    table: str,
    data: DataParams,
    root: Path,
    opened: OpenedSources,
    repaired: dict[Path, Path],
) -> None:
    """Fill `opened` with all sources of a table; `repaired`: text file -> Parquet file that is read in its place.

    Reads headers only. Raises ContractError for a file of another kind or without a header, and for a wrong expression.
    """
    connection.execute(TO_TIMESTAMP)
    opened.lookup_files = create_lookups(connection, data.lookups, root)
    for number in range(len(data.of(table))):
        open_source(connection, table, number, data, root, opened, repaired)


def open_source(
    connection: DuckDBPyConnection,
    table: str,
    number: int,
    data: DataParams,
    root: Path,
    opened: OpenedSources,
    repaired: dict[Path, Path],
) -> None:
    """Add the source with this number to `opened`, as `open_sources` does."""
    source, label = data.of(table)[number], f"data.sources.{table}[{number}]"
    mapping, first = parse_mapping(connection, table, number, source), len(opened.parts)
    if source.path is None:
        file = databases.quarantine_file(source, root)
        read, broken = databases.attach(connection, f"source_{table}_{number}", source, root)
        columns = [column for column in columns_of(connection, read) if column[0] != broken]
        part = typed_part(mapping, read, columns, [file], opened.next_base, [], broken)
        opened.add(Group(Shape("database"), [file], part, []), number)
        opened.reports.append(SourceReport(source=file.name, files=[ReadFile(name=file.name)]))
    else:
        found = find_files(source.path, root)
        shapes = [read_shape(f, mapping, source.delimiter, f.path in repaired) for f in found.files]
        groups = make_parts(connection, mapping, found.files, shapes, repaired, opened.next_base, source.optional)
        for group in groups:
            opened.add(group, number)
        absent = describe_absent((f.name, n) for g in groups for f in g.files for n in g.absent)
        opened.reports.append(_report(source.path, found, shapes, mapping, absent))
    parts = opened.parts[first:]
    for part in parts:
        part.check(connection, opened.files[part.base - opened.base].name)
    required = [name for name, field in fields(table, data.anonymous_events).items() if field.required]
    have = dict.fromkeys(name for part in parts for name in part.columns)
    check_required(mapping, label, required, list(have), opened.files[parts[0].base - opened.base :])


def find_unreadable(connection: DuckDBPyConnection, opened: OpenedSources, repaired: dict[Path, Path]) -> list[int]:
    """Return the indices of the text files that DuckDB cannot split into records."""
    import duckdb

    found = []
    for number, (file, shape) in enumerate(zip(opened.files, opened.shapes, strict=True)):
        if file.path in repaired or shape.kind not in ("csv", "jsonl"):
            continue
        columns = ", ".join(quote_name(c) for c in shape.names)
        try:
            reader = text_reader(shape, [str(file.path.absolute())])
            connection.execute(f"SELECT bit_xor(hash({columns})) FROM {reader}").fetchall()
        except duckdb.Error:
            found.append(number)
    return found


def find_incomplete(opened: OpenedSources) -> list[int]:
    """Return the indices of the text files whose last line DuckDB would drop.

    Raises ContractError where a gzip file is damaged or a decompression bomb.
    """
    long = {f.path for f in find_long_endings(opened.files)}
    return [n for n, file in enumerate(opened.files) if file.path in long]


def repair_files(
    opened: OpenedSources, numbers: list[int], repaired: dict[Path, Path], folder: Path
) -> dict[Path, Path]:
    """Repair the text files with these indices; return file -> repaired copy below `folder`."""
    copies: dict[Path, Path] = {}
    for number in numbers:
        file, shape = opened.files[number], opened.shapes[number]
        prefix = free_prefix(shape.header.names) if shape.header else "_"
        out = folder / f"{len(repaired) + len(copies)}.parquet"
        copies[file.path] = repair(file, shape.names, shape.header, prefix, out)
    return copies


def describe(data: DataParams, table: str, root: Path) -> str:
    """Return what is read of a table's sources and what is not; raises ContractError where one cannot be opened."""
    import duckdb

    opened = OpenedSources()
    with duckdb.connect() as connection:
        try:
            open_sources(connection, table, data, root, opened, {})
        except duckdb.Error as error:
            raise ContractError(f"data.sources.{table}: {str(error).splitlines()[0]}") from None
    return f"{len(data.of(table))} source(s), {len(opened.files)} file(s){describe_reports(opened.reports)}"


def describe_reports(reports: list[SourceReport]) -> str:
    """Return separators, files that are not read, and notes, as the end of a sentence."""
    separators = dict.fromkeys(f.separator for r in reports for f in r.files if f.separator)
    left = [n for r in reports for n in r.not_read]
    skipped, unread = [n for n in left if n.reason == HIDDEN], [n for n in left if n.reason != HIDDEN]
    said = [f"separated by {', '.join(separators)}"] if separators else []
    said += [f"NOT READ: {list_names([str(n) for n in unread], MAX_NAMED)}"] if unread else []
    said += [f"skipped as {HIDDEN}: {list_names([n.name for n in skipped], MAX_NAMED)}"] if skipped else []
    return "".join(f"; {text}" for text in [*said, *(note for r in reports for note in r.notes)])


def parse_mapping(connection: DuckDBPyConnection, table: str, number: int, source: SourceParams) -> Mapping:
    """Return the expressions of a source; raises ContractError where one cannot be parsed."""
    label = f"data.sources.{table}[{number}]"
    columns = {c: parse(connection, f"{label}.columns.{c}", text) for c, text in source.columns.items()}
    where = parse(connection, f"{label}.where", source.where) if source.where else None
    each = parse(connection, f"{label}.each", source.each) if source.each else None
    return Mapping(table, columns, where, each)


def _name_separator(header: Header) -> str:
    if len(header.names) == 1:
        return "nothing (one column)"
    return DELIMITERS.get(header.delimiter, repr(header.delimiter))


def _report(path: str, found: Found, shapes: list[Shape], mapping: Mapping, absent: list[str]) -> SourceReport:
    files, notes = [], [*absent]
    for file, shape in zip(found.files, shapes, strict=True):
        header = shape.header
        separator = _name_separator(header) if header else None
        files.append(ReadFile(name=file.name, separator=separator))
        unnamed = [str(n) for n, name in enumerate(header.names, 1) if not name] if header else []
        notes += [f"{file.name}: column {', '.join(unnamed)} has no name and is left out"] if unnamed else []
    unused = [key for key in partition_keys(found.files) if key.lower() not in {n.lower() for n in mapping.names}]
    notes += [f"folders {key}=... are not used; to use them, map a column to {key}" for key in unused]
    return SourceReport(source=path, files=files, not_read=found.not_read, notes=notes)
