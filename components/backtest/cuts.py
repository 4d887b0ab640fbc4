"""A snapshot as it would have been at an earlier moment: events and products before it, with or without a fault.

One snapshot at the end of the backtest is cut at each date. A product is in the cut if its newest version, or an event
on it, is older than the moment, or if the shop gives no time for it. Title and price are those of its newest version.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.backtest.faults import FAULTS, plant
from components.data.partitions import partitions
from components.data.snapshot import SnapshotInfo, read_snapshot_info
from components.errors import ContractError
from components.io import write_record
from components.times import to_naive_utc

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENTS = """
CREATE TABLE events AS SELECT * EXCLUDE (file_row_number),
    file_index * 4294967296 + file_row_number AS source_row
FROM read_parquet($files, file_row_number = true) WHERE timestamp < $as_of
"""
PRODUCTS = """
CREATE TABLE products AS SELECT * REPLACE (CASE WHEN timestamp < $as_of THEN timestamp END AS timestamp)
FROM read_parquet($files)
WHERE timestamp IS NULL OR timestamp < $as_of OR item_id IN (SELECT item_id FROM events)
"""


def cut_snapshot(snapshot: Path, out: Path, as_of: datetime, fault: str | None, memory_gib: float) -> None:
    """Write to `out` the products and events of the snapshot before as_of, with the fault (a name in FAULTS).

    Raises ContractError where the snapshot is older than as_of, or nothing is left.
    """
    import duckdb

    info = read_snapshot_info(snapshot)
    taken = datetime.fromisoformat(info.as_of)
    if taken < as_of:
        raise ContractError(
            f"{snapshot} was taken as of {taken:%Y-%m-%d %H:%M}; a backtest as of {as_of:%Y-%m-%d %H:%M} needs one of "
            "that time or later: set --to to a later date"
        )
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for table, sql in (("events", EVENTS), ("products", PRODUCTS)):
            files = [str(path) for path in partitions(snapshot, table)]
            connection.execute(sql, {"files": files, "as_of": to_naive_utc(as_of)})
        if fault is not None:
            plant(connection, FAULTS[fault], as_of)
        _write(connection, "SELECT * EXCLUDE (source_row) FROM events ORDER BY timestamp, source_row", out / "events")
        _write(connection, "FROM products ORDER BY item_id", out / "products")
    cut = SnapshotInfo(as_of=as_of.isoformat(), simulated=info.simulated, counts={})
    write_record(out / "snapshot.json", cut)


def _write(connection: DuckDBPyConnection, sql: str, folder: Path) -> None:
    import pyarrow.parquet as pq

    rows = connection.execute(sql).to_arrow_table()
    if not rows.num_rows:
        raise ContractError(f"{folder.name}: none before the date of this pass; set --from to a later date")
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part-0.parquet", compression="zstd", write_page_checksum=True)
