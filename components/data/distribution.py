"""The tables that grow with events, staged by the tasks of an engine (units.py); what comes back is their outcomes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import TABLES
from components.data import counting, sources, staging
from components.data.engines import TaskEngine
from components.data.files import partition_values
from components.data.lines import File
from components.data.outcomes import RowOutcomes
from components.data.selects import Shape
from components.data.sql import ROW_NUMBER, quote_text, read_parquet
from components.data.staged_rows import Frequent, RowsInMemory
from components.data.staging import Staging
from components.data.units import MonthUnit, SourceUnit, StagedUnit, TableJob, judge_records, stage_unit, write_month
from components.data.validation import empty_sql
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True)
class RowsInFiles:
    """A staged table whose rows are in the files of its tasks."""

    staging: Staging
    table: str
    folder: Path
    outcomes: RowOutcomes

    def quarantined(self) -> pa.RecordBatchReader:
        """Return the rows for the quarantine by file and row."""
        bad = self._files("bad")
        none = "SELECT 0::INT AS _file, 0::BIGINT AS row, '' AS rule, '' AS raw LIMIT 0"
        return counting.read_quarantined(self.staging, self.table, f"SELECT * FROM {bad}" if bad else none)

    def most_frequent(self, column: str) -> Frequent:
        """Return the two most frequent values of a column of the valid rows, with the number of rows that have one."""
        counts = self._files(f"n/{column}")
        return counting.most_frequent(self.staging.sql, f"SELECT value, n FROM {counts}") if counts else []

    def valid(self, n: int) -> ibis.Table:
        """Return the first n valid rows with the contract's columns, by month and time."""
        columns = ", ".join(TABLES[self.table])
        rows: ibis.Table = self.staging.ibis.sql(f"SELECT {columns} FROM {self._files('months/*')}")
        return rows.limit(n)

    def write(self, folder: Path) -> None:
        """Move the months into the table of a snapshot, and remove the files of the tasks."""
        months = sorted((self.folder / "months").glob("month=*"))
        folder.mkdir(parents=True, exist_ok=True)
        for month in months:
            shutil.move(month, folder / month.name)  # the snapshot may be on another disk
        if not months:
            self.staging.sql.execute(f"CREATE TABLE staged_{self.table} AS {empty_sql(self.table)}")
            RowsInMemory(self.staging, self.table).write(folder)
        shutil.rmtree(self.folder)

    def _files(self, pattern: str) -> str:
        """Return SQL that reads the Parquet files of a folder; "" where there are none."""
        files = sorted(map(str, self.folder.glob(f"{pattern}/*.parquet")))
        return read_parquet(files) if files else ""


def stage(engine: TaskEngine, staged: Staging, table: str, data: DataParams, folder: Path) -> RowsInFiles:
    """Stage a table on an engine; `staged` has the products. folder: on a disk that all workers see.

    Databases are read by this process, which knows their passwords. Raises ContractError when a source cannot be read.
    """
    limits = {"memory_gib": data.spark.memory_gib, "threads": 1}
    known_items = _write_known_items(staged, folder)
    root, work = staged.root.absolute(), (folder / table).absolute()
    job = TableJob(table, data.model_copy(update=limits), root, staged.privacy, staged.forgotten, known_items, work)
    opened = _open(staged, table, data)
    units = list(plan(opened, data))
    found = _stage_all(engine, job, units)
    unnested = {files: n for one in found for files, n in one.n_unnested.items()}
    unnested_files = frozenset(file for files in unnested for file in files)
    months = [
        MonthUnit(month, [u.name for u, one in zip(units, found, strict=True) if month in one.months], unnested_files)
        for month in sorted({month for one in found for month in one.months})
    ]
    rows = [row for one in found for row in one.outcomes]
    rows += [row for month in engine.map(partial(write_month, job), months) for row in month]
    records = [(u, list(one.n_unnested)) for u, one in zip(units, found, strict=True) if one.n_unnested]
    rows += [row for unit in engine.map(partial(judge_records, job), records) for row in unit]
    names = staged.files[table] = [file.name for file in opened.files]
    n_unnested = sum(n for one in found for n in one.n_unnested.values())
    outcomes = RowOutcomes(rows, names, opened.reports, unnested_files, n_unnested)
    return RowsInFiles(staged, table, work, outcomes)


def plan(opened: sources.OpenedSources, data: DataParams) -> Iterator[SourceUnit]:
    """Yield the units: a text file each, at most data.spark.rows_per_task rows of a Parquet file, or a database.

    Files are one unit where an expression compares their rows (a window function or a subquery).
    """
    number = 0
    for part, (source, others) in zip(opened.parts, opened.origins, strict=True):
        files = opened.files[part.base : part.base + part.n_files]
        shape = opened.shapes[part.base]
        groups = [files] if part.mapping.spans else [[file] for file in files]
        folders = [n for n in part.mapping.names if partition_values(files, n) is not None]
        base = part.base
        for group in groups:
            optional = [n for n in folders if partition_values(group, n) is None]
            ranges = _ranges(group, shape, data.spark.rows_per_task)
            for rows in ranges:
                yield SourceUnit(number, source, base, group, replace(shape, rows=rows), others, optional)
                number += 1
            base += len(group)


def _ranges(files: list[File], shape: Shape, n: int) -> list[tuple[int, int] | None]:
    """Return the rows of each task; None: all."""
    import pyarrow.parquet as pq

    if shape.kind != "parquet" or len(files) > 1 or ROW_NUMBER in (name.lower() for name, _ in shape.schema):
        return [None]
    n_rows: int = pq.read_metadata(files[0].path).num_rows
    parts = ceil(n_rows / n)
    return [(k * n_rows // parts, (k + 1) * n_rows // parts) for k in range(parts)] if parts > 1 else [None]


def _stage_all(engine: TaskEngine, job: TableJob, units: list[SourceUnit]) -> list[StagedUnit]:
    task = partial(stage_unit, job)
    on_engine = [unit for unit in units if unit.shape.kind != "database"]
    found = dict(zip((u.number for u in on_engine), engine.map(task, on_engine), strict=True))
    return [found[unit.number] if unit.number in found else task(unit) for unit in units]


def _open(staged: Staging, table: str, data: DataParams) -> sources.OpenedSources:
    """Return the sources of a table, of which headers are read."""
    import duckdb

    opened = sources.OpenedSources()
    try:
        sources.open_sources(staged.sql, table, data, staged.root, opened, {})
    except duckdb.Error as error:
        raise ContractError(staging.describe_failure(table, opened, error)) from None
    return opened


def _write_known_items(staged: Staging, folder: Path) -> Path:
    file = (folder / "known_items.parquet").absolute()
    if not file.exists():
        staged.sql.execute(f"COPY known_items TO {quote_text(str(file))} (FORMAT parquet)")
    return file
