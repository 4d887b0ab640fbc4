"""Tasks of `ingest` on an engine: units of the sources are staged, then the valid rows of each month written.

A task reads and writes files below TableJob.folder, which all workers see:
    valid/000001.parquet    valid rows of a unit, by time, with the unit and their order in it
    bad/000001.parquet      rows for the quarantine: _file, row, rule, raw; months write 2026-01.parquet for duplicates
    states/000001.parquet   all rows of a unit whose records may have several, without their values
    repeated/2026-01.parquet  _unit and _order of duplicates among these
    n/user_id/2026-01.parquet  values of a column and their number
    months/month=2026-01/part-0.parquet  the table of the snapshot
Rows are judged by the functions of staging.py, here as in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from components.contracts import TABLES
from components.data import counting, staging
from components.data.lines import File
from components.data.lookups import create_lookups
from components.data.outcomes import RowOutcome
from components.data.partitions import write_part
from components.data.parts import make_parts
from components.data.selects import Columns, Shape
from components.data.sources import OpenedSources, open_source, parse_mapping
from components.data.sql import TO_TIMESTAMP, quote_text, read_parquet
from components.data.staging import Staging
from components.data.validation import DUPLICATE, VALID
from components.errors import ContractError
from components.io import atomic_file
from components.params import DataParams, PrivacyParams
from components.tombstones import Forgotten

COUNTED = {"events": ("user_id", "item_id")}  # columns whose most frequent values are reported


@dataclass(frozen=True)
class TableJob:
    """What the tasks of one table have in common. Paths are absolute."""

    table: str
    data: DataParams
    root: Path
    privacy: PrivacyParams
    forgotten: Forgotten | None
    known_items: Path  # item_id of the products
    folder: Path


@dataclass(frozen=True)
class SourceUnit:
    """Files of one source that one task reads, or a database."""

    number: int
    source: int  # in data.sources of the table
    base: int  # _file of the first file
    files: list[File]
    shape: Shape
    others: Columns  # used columns that only other files of the source have
    optional: list[str]  # keys of folders that only other files have

    @property
    def name(self) -> str:
        """Return the name of its files, which sort by number."""
        return f"{self.number:06d}.parquet"


@dataclass(frozen=True)
class MonthUnit:
    """Files of the folder `valid` that have rows of a month."""

    month: str  # such as "2026-01"
    valid: list[str]
    unnested_files: frozenset[int]


@dataclass(frozen=True)
class StagedUnit:
    """What a task found in a unit."""

    outcomes: list[RowOutcome]  # of rows that are not valid; of all rows where records may have several: none
    months: list[str]  # of valid rows
    n_unnested: dict[range, int] = field(default_factory=dict)  # _file of files that unnest lists -> records


def stage_unit(job: TableJob, unit: SourceUnit) -> StagedUnit:
    """Stage a unit, and write its valid rows and its quarantine."""
    with _staging(job) as (staged, spill):
        staging.read_rows(staged, job.table, job.data, spill, partial(_open_unit, staged, job, unit))
        rows, columns = counting.numbered_rows(job.table), ", ".join(TABLES[job.table])
        _copy(
            staged,
            f"SELECT {columns}, _file, row AS _row, _note, _masked, {unit.number} AS _unit, row_id AS _order "
            f"FROM ({rows}) WHERE _state = {VALID} ORDER BY timestamp, row_id",
            job.folder / "valid" / unit.name,
        )
        outcomes = counting.read_outcomes(staged, job.table)
        if outcomes.has_quarantined:
            _copy(staged, counting.quarantined_rows(staged, job.table), job.folder / "bad" / unit.name)
        unnested = {range(p.base, p.base + p.n_files): n for p, n in staged.unnested[job.table].items()}
        if unnested:
            states = "_file, row AS _row, _state, _rule, _note, _masked, _leads, row_id AS _order"
            _copy(staged, f"SELECT {states} FROM ({rows}) ORDER BY row_id", job.folder / "states" / unit.name)
        left = [o for o in outcomes.rows if o.state != VALID and o.file not in outcomes.unnested_files]
        return StagedUnit(left, staging.list_months(staged, job.table), unnested)


def write_month(job: TableJob, unit: MonthUnit) -> list[RowOutcome]:
    """Write a month of the snapshot; return the outcomes of its rows, valid ones and duplicates.

    Rows of files that unnest lists are not counted here, as a record may have rows in several months.
    """
    table, name = job.table, f"{unit.month}.parquet"
    with _staging(job) as (staged, _):
        start = f"TIMESTAMP '{unit.month}-01'"
        valid = read_parquet([str(job.folder / "valid" / name) for name in unit.valid])
        staged.sql.execute(
            f"CREATE TABLE staged_{table} AS SELECT *, NULL::VARCHAR AS _rule, {VALID}::TINYINT AS _state, "
            f"NULL::VARCHAR AS _raw, true AS _leads FROM {valid} "
            f"WHERE timestamp >= {start} AND timestamp < {start} + INTERVAL 1 MONTH"
        )
        staging.mark_duplicates(staged, table)
        outcomes = counting.read_outcomes(staged, table)
        if outcomes.has_quarantined:
            repeated = f"SELECT _unit, _order, _rule FROM staged_{table} WHERE _state <> {VALID}"
            _copy(staged, repeated, job.folder / "repeated" / name)
            _copy(staged, counting.quarantined_rows(staged, table), job.folder / "bad" / name)
        for column in COUNTED.get(table, ()):
            values = f"SELECT {column} AS value, count(*) AS n FROM staged_{table} WHERE _state = {VALID} GROUP BY 1"
            _copy(staged, values, job.folder / "n" / column / name)
        with _replaced(job.folder / "months" / f"month={unit.month}" / "part-0.parquet") as file:
            write_part(staging.read_sorted(staged, table, unit.month), file)
        return [o for o in outcomes.rows if o.file not in unit.unnested_files]


def judge_records(job: TableJob, unit: tuple[SourceUnit, list[range]]) -> list[RowOutcome]:
    """Return the outcomes of all rows of a unit with files (by _file) that unnest lists, after duplicates are known."""
    (source, files), table = unit, job.table
    repeated = sorted(map(str, (job.folder / "repeated").glob("*.parquet")))
    with _staging(job) as (staged, _):
        states = read_parquet([str(job.folder / "states" / source.name)])
        staged.sql.execute(f"CREATE TABLE staged_{table} AS SELECT * FROM {states}")
        if repeated:
            staged.sql.execute(
                f"UPDATE staged_{table} SET _state = {DUPLICATE}, _rule = r._rule FROM "
                f"{read_parquet(repeated)} r WHERE r._unit = {source.number} "
                f"AND r._order = staged_{table}._order"
            )
        for records in files:
            staging.mark_records(staged.sql, table, records)
        return list(counting.read_outcomes(staged, table).rows)


@contextmanager
def _staging(job: TableJob) -> Iterator[tuple[Staging, Path]]:
    """Yield an empty database with the products' ids, and the folder where it spills to."""
    import duckdb

    with TemporaryDirectory(prefix="ingest-") as spill:
        staged = staging.connect(job.data, job.root, Path(spill), job.forgotten, job.privacy)
        products = read_parquet([str(job.known_items)])
        staged.sql.execute(f"CREATE VIEW known_items AS SELECT item_id FROM {products}")
        try:
            yield staged, Path(spill)
        except duckdb.OutOfMemoryException:
            raise ContractError(
                f"data.sources.{job.table}: out of memory in a task: data.spark.memory_gib {job.data.memory_gib:g} and "
                "the worker's disk for temporary files are not enough; raise data.spark.memory_gib, or free disk space"
            ) from None
        finally:
            staged.ibis.disconnect()


def _open_unit(
    staged: Staging, job: TableJob, unit: SourceUnit, opened: OpenedSources, repaired: dict[Path, Path]
) -> None:
    """Open the files of a unit as `open_sources` does those of all sources."""
    opened.base = unit.base
    if unit.shape.kind == "database":
        open_source(staged.sql, job.table, unit.source, job.data, job.root, opened, repaired)
        return
    staged.sql.execute(TO_TIMESTAMP)
    opened.lookup_files = create_lookups(staged.sql, job.data.lookups, job.root)
    source = job.data.of(job.table)[unit.source]
    mapping = parse_mapping(staged.sql, job.table, unit.source, source)
    shapes = [replace(unit.shape, repaired=file.path in repaired) for file in unit.files]
    optional = [*source.optional, *unit.optional]
    for group in make_parts(staged.sql, mapping, unit.files, shapes, repaired, unit.base, optional, unit.others):
        opened.add(group, unit.source)


def _copy(staged: Staging, rows: str, path: Path) -> None:
    """Write the rows of a SELECT, in their order, in place of what an earlier try of the task has written."""
    with _replaced(path) as file:
        staged.sql.execute(f"COPY ({rows}) TO {quote_text(str(file))} (FORMAT parquet)")


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        yield file
