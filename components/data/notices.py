"""What a user should know although no rule is broken: later rows, blanks in `where`, and events that are old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.data import sources
from components.data.partitions import partitions
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from components.data.selects import Part
    from components.data.snapshot import SnapshotInfo

FEW = 0.01  # share of a table's rows at or after as_of that is not worth a notice: the last events before a run
OLD_HOURS = 24  # age of the newest event that is worth a notice
MAX_ROWS = 1_000_000  # of the files of a source that are looked at for blanks


def later_rows(info: SnapshotInfo) -> list[str]:
    """Return a sentence for each table of which more than a few rows are at or after as_of."""
    as_of = datetime.fromisoformat(info.as_of)
    return [
        f"{table}: {count.after_as_of} of {count.read} rows are at or after {as_of:%Y-%m-%d %H:%M} UTC, the moment of "
        "this run, and were left out; choose a later one with --as-of or data.as_of, or check clock and time zone of "
        "the source"
        for table, count in info.counts.items()
        if count.after_as_of > FEW * count.read
    ]


def old_events(snapshot: Path, info: SnapshotInfo) -> list[str]:
    """Return a sentence if the newest event is old: the drift check may find the data stale, hours later."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(partitions(snapshot, "events")[-1])
    column = metadata.schema.names.index("timestamp")
    groups = (metadata.row_group(n).column(column).statistics for n in range(metadata.num_row_groups))
    newest = max((group.max for group in groups if group and group.has_min_max), default=None)
    as_of = datetime.fromisoformat(info.as_of)
    if newest is None or as_of - newest.replace(tzinfo=UTC) <= timedelta(hours=OLD_HOURS):
        return []
    age = (as_of - newest.replace(tzinfo=UTC)) / timedelta(hours=1)
    return [
        f"events: the newest one is {age:.0f} h older than {as_of:%Y-%m-%d %H:%M} UTC, the moment of this run; above "
        "drift.max_age_hours the data are stale and nothing is promoted: bring newer data, or set --as-of to "
        "the moment of the export"
    ]


def blank_conditions(data: DataParams, table: str, root: Path) -> list[str]:
    """Return a sentence for each source of which `where` is neither true nor false for some rows: they are filtered.

    A source that cannot be read has none: `sources.describe` names its fault.
    """
    import duckdb

    opened, found = sources.OpenedSources(), []
    with duckdb.connect() as connection:
        try:
            sources.open_sources(connection, table, data, root, opened, {})
        except (duckdb.Error, ContractError):
            return []
        for part in opened.parts:
            blank, read = _count_blank(connection, part)
            if blank and part.mapping.where:
                found.append(
                    f"{opened.files[part.base].name}: `where: {part.mapping.where.sql[1:-2]}` is neither true nor "
                    f"false for {blank} of {read} rows, because a value in it is blank: they are filtered; to keep "
                    "them, add `OR column IS NULL`"
                )
    return found


def _count_blank(connection: DuckDBPyConnection, part: Part) -> tuple[int, int]:
    """Return the number of records for which `where` is null, and of those that were looked at."""
    import duckdb

    where = part.mapping.where
    if where is None or part.mapping.unnests:
        return 0, 0
    rows = f"SELECT {where.sql} IS NULL AND {part.prefix}broken IS NULL AS blank FROM {part.rows} LIMIT {MAX_ROWS}"  # noqa: S608
    try:
        row = connection.execute(f"SELECT count(*) FILTER (blank), count(*) FROM ({rows})").fetchone()  # noqa: S608
    except duckdb.Error:  # broken lines, which `ingest` repairs
        return 0, 0
    return (int(row[0]), int(row[1])) if row else (0, 0)
