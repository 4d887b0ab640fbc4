"""Reading a snapshot: the Parquet files of a table, and its rows between two times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import TABLES
from components.errors import ContractError
from components.params import ConsentPurpose
from components.privacy.consent import COLUMN, allows
from components.times import to_naive_utc

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


ROW_GROUP = 1_000_000  # rows
BATCH = 100_000  # rows that are read from DuckDB at once

PICTURES = "pictures.parquet"  # products' pictures, where the shop has them (data/pictures.py)
VECTORS = "vectors"  # folder of the vectors that the shop has computed (data/given_vectors.py)


def partitions(snapshot: Path, table: str) -> list[Path]:
    """Return the Parquet files of a table, oldest month first."""
    return sorted((snapshot / table).rglob("*.parquet"))


def consented(connection: DuckDBPyConnection, files: Sequence[str], purpose: ConsentPurpose) -> str:
    """Return an SQL condition for the events in `files` that may be used for a purpose.

    It is true for a snapshot of an earlier version, whose events have no column `consent`.
    """
    named = connection.execute("SELECT name FROM parquet_schema($1)", [list(files)]).fetchall()
    return allows(purpose) if (COLUMN,) in named else "true"


def read_table(
    snapshot: Path,
    table: str,
    columns: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pa.Table:
    """Return the rows with start <= timestamp < end; reads only the months that overlap."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = list(columns or TABLES[table])
    bounded = start is not None or end is not None
    needed = [*names, "timestamp"] if bounded and "timestamp" not in names else names
    start, end = (None if time is None else to_naive_utc(time) for time in (start, end))
    first, last = (f"month={time:%Y-%m}" if time else None for time in (start, end))
    parts = []
    for path in partitions(snapshot, table):
        month = path.parent.name
        if month.startswith("month=") and ((first and month < first) or (last and month > last)):
            continue
        part = pq.ParquetFile(path, page_checksum_verification=True).read(columns=needed)
        for bound, compare in ((start, pc.greater_equal), (end, pc.less)):
            if bound is not None:
                limit = pa.scalar(bound, pa.timestamp("us"))
                part = part.filter(compare(part["timestamp"], limit))
        parts.append(part.select(names))
    if not parts:
        empty = pq.read_schema(partitions(snapshot, table)[0]) if partitions(snapshot, table) else None
        if empty is None:
            raise ContractError(f"{snapshot / table}: no Parquet file; run the stage `ingest`")
        return empty.empty_table().select(names)
    return pa.concat_tables(parts)


def write_part(rows: pa.RecordBatchReader, file: Path) -> None:
    """Write rows, of which ROW_GROUP are in memory at once; the bytes depend on the rows alone, not on the batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting, is_empty = rows.schema.empty_table(), True
    with pq.ParquetWriter(file, rows.schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in rows:
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
            while len(waiting) >= ROW_GROUP:
                writer.write_table(waiting.slice(0, ROW_GROUP).combine_chunks(), ROW_GROUP)
                waiting, is_empty = waiting.slice(ROW_GROUP), False
        if len(waiting) or is_empty:
            writer.write_table(waiting.combine_chunks(), ROW_GROUP)
