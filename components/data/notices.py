"""What a user should know of rows that are not used, though they break no rule: later ones, and blanks in `where`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.data import sources
from components.errors import ContractError
from components.params import DataParams

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from components.data.selects import Part
    from components.data.snapshot import SnapshotInfo

FEW = 0.01  # share of a table's rows at or after as_of that is not worth a notice: the last events before a run
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


def blank_conditions(data: DataParams, table: str, root: Path) -> list[str]:
    """Return a sentence for each source of which `where` is neither true nor false for some rows: they are filtered.

    A source that cannot be read has none: `sources.describe` names its fault.
    """
    import duckdb

    opened, found = sources.OpenedSources(), []
    with duckdb.connect() as connection:
        try:
            sources.open_sources(connection, opened, table, data, root, {})
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
    if where is None or where.unnests:
        return 0, 0
    rows = f"SELECT {where.sql} IS NULL AND {part.prefix}broken IS NULL AS blank FROM {part.rows} LIMIT {MAX_ROWS}"  # noqa: S608
    try:
        row = connection.execute(f"SELECT count(*) FILTER (blank), count(*) FROM ({rows})").fetchone()  # noqa: S608
    except duckdb.Error:  # broken lines, which `ingest` repairs
        return 0, 0
    return (int(row[0]), int(row[1])) if row else (0, 0)
