"""Snapshot -> train, validation and test windows, as components/data/tables.py reads them.

By global time: train < validation < test, the test window ending at as_of. Leave-one-out, for comparison with papers:
of each user with three target events or more, the last is the test and the last but one the validation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import EVENTS, WINDOWS
from components.data.partitions import partitions
from components.data.snapshot import read_snapshot_info
from components.data.sql import quoted
from components.data.tables import SplitInfo
from components.errors import ContractError
from components.io import write_record
from components.params import SplitParams
from components.times import to_micros

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


def make_split(snapshot: Path, out: Path, split: SplitParams, as_of: datetime, memory_gib: float) -> SplitInfo:
    """Write the split's files below `out`; raises ContractError when a window is empty, or when the snapshot holds
    what nobody could know at as_of.
    """
    import duckdb

    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        info = _windows(snapshot, split, as_of)
        _check_known(connection, snapshot, as_of)
        _read(connection, snapshot, split)
        _mark_windows(connection, info)
        info = info.model_copy(
            update={
                "n_users": _one(connection, "SELECT count(*) FROM users"),
                "n_items": _one(connection, "SELECT count(*) FROM items"),
            }
        )
        _write(connection, "SELECT * FROM items ORDER BY item_idx", out / "items.parquet")
        _write(connection, "SELECT * FROM users ORDER BY user_idx", out / "users.parquet")
        for number, window in enumerate(WINDOWS):
            rows = (
                "SELECT user_idx, item_idx, timestamp, code AS event, weight, target "
                f"FROM marked JOIN weights USING (code) WHERE win = {number} ORDER BY user_idx, timestamp, seq"
            )
            _check(_write(connection, rows, out / f"{window}.parquet"), window, info, split)
    write_record(out / "split.json", info)
    return info


def _windows(snapshot: Path, split: SplitParams, as_of: datetime) -> SplitInfo:
    """Return the ends of the windows; users and items are not counted yet."""
    days = (split.test_days + split.validation_days, split.test_days, 0)
    if split.protocol == "leave_one_out":  # the windows are cut by each user's own order
        days = (0, 0, 0)
    ends = [to_micros(as_of - timedelta(days=d)) for d in days]
    return SplitInfo(
        protocol=split.protocol,
        train_end=ends[0],
        validation_end=ends[1],
        test_end=ends[2],
        n_users=0,
        n_items=0,
        max_history=split.max_history,
        simulated=read_snapshot_info(snapshot).simulated,
    )


def _check_known(connection: DuckDBPyConnection, snapshot: Path, as_of: datetime) -> None:
    """Refuse a snapshot of a later moment, and rows from the future in it."""
    taken = datetime.fromisoformat(read_snapshot_info(snapshot).as_of)
    if taken > as_of:
        raise ContractError(
            f"{snapshot} was taken as of {taken:%Y-%m-%d %H:%M}, later than data.as_of {as_of:%Y-%m-%d %H:%M}: its "
            "catalogue would leak into training; run the stage `ingest` again"
        )
    for table in ("events", "products"):
        paths = [str(p) for p in partitions(snapshot, table)]
        sql = "SELECT count(*) FROM read_parquet($1) WHERE timestamp IS NOT NULL AND epoch_us(timestamp) >= $2"
        planted = connection.execute(sql, [paths, to_micros(as_of)]).fetchone()
        if planted and planted[0]:
            raise ContractError(
                f"{snapshot / table}: leakage: {planted[0]} rows at or after data.as_of {as_of:%Y-%m-%d %H:%M}, where "
                "`ingest` leaves none; somebody changed the snapshot, run the stage `ingest` again"
            )


def _read(connection: DuckDBPyConnection, snapshot: Path, split: SplitParams) -> None:
    """Make the tables weights, items, users and known: the events that teach, with our indices.

    seq is the order of the snapshot, which among equal times is the order of the source.
    """
    values = ", ".join(
        f"({EVENTS.index(e)}::TINYINT, {w}::FLOAT, {e in split.target_events})" for e, w in split.weights.items()
    )
    codes = " ".join(f"WHEN {quoted(e)} THEN {EVENTS.index(e)}" for e in split.weights)
    files = [str(p) for p in partitions(snapshot, "events")]
    connection.execute(f"CREATE TABLE weights AS FROM (VALUES {values}) w(code, weight, target)")
    connection.execute(
        "CREATE TABLE items AS SELECT (row_number() OVER (ORDER BY item_id))::INT AS item_idx, item_id, title, "
        "description, brand, category, language, price FROM read_parquet($1)",
        [[str(p) for p in partitions(snapshot, "products")]],
    )
    connection.execute(
        "CREATE TABLE users AS SELECT (row_number() OVER (ORDER BY user_id))::INT AS user_idx, user_id FROM (SELECT "
        "DISTINCT user_id FROM read_parquet($1) SEMI JOIN items USING (item_id) "
        f"WHERE user_id IS NOT NULL AND event IN ({', '.join(quoted(e) for e in split.weights)}))",
        [files],
    )
    connection.execute(
        f"CREATE TABLE known AS SELECT coalesce(u.user_idx, 0) AS user_idx, i.item_idx, "
        f"epoch_us(e.timestamp) AS timestamp, (CASE e.event {codes} END)::TINYINT AS code, "
        "e.file_index * 4294967296 + e.file_row_number AS seq "
        "FROM read_parquet($1, file_row_number = true) e JOIN items i USING (item_id) "
        "LEFT JOIN users u USING (user_id) WHERE code IS NOT NULL",
        [files],
    )


def _mark_windows(connection: DuckDBPyConnection, info: SplitInfo) -> None:
    """Make the view `marked`: known plus win, 0 train, 1 validation, 2 test.

    Leave-one-out counts target events from a user's end (`age`); other events belong to the window before the target
    that follows them: its history. What a user did twice at the same moment counts once, or the second time would give
    away the first.
    """
    if info.protocol == "global_time":
        win = f"(timestamp >= {info.train_end})::INT + (timestamp >= {info.validation_end})::INT"
        connection.execute(f"CREATE VIEW marked AS SELECT *, {win} AS win FROM known")
        return
    connection.execute(
        "CREATE VIEW marked AS SELECT * EXCLUDE (age, n, target), CASE WHEN user_idx = 0 OR n < 3 THEN 0 "
        "ELSE greatest(0, 3 - age - (NOT target)::INT) END AS win FROM (SELECT k.*, w.target, "
        "count(*) FILTER (w.target) OVER (PARTITION BY user_idx) AS n, count(*) FILTER (w.target) OVER "
        "(PARTITION BY user_idx ORDER BY timestamp DESC, seq DESC) AS age FROM (SELECT * FROM known "
        "QUALIFY user_idx = 0 OR row_number() OVER (PARTITION BY user_idx, item_idx, timestamp, code ORDER BY seq) = 1"
        ") k JOIN weights w USING (code))"
    )


def _write(connection: DuckDBPyConnection, sql: str, path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    rows = connection.execute(sql).to_arrow_table().combine_chunks()
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)
    return rows


def _check(rows: pa.Table, window: str, info: SplitInfo, split: SplitParams) -> None:
    import pyarrow.compute as pc

    n = rows.num_rows if window == "train" else pc.sum(pc.and_(rows["target"], pc.greater(rows["user_idx"], 0))).as_py()
    if not n:
        wanted = "events" if window == "train" else f"{' or '.join(split.target_events)} of known users"
        raise ContractError(
            f"the {window} window has no {wanted}; the test window ends at as_of. Lower split.validation_days "
            f"({split.validation_days:g}) or split.test_days ({split.test_days:g}), set data.as_of to a time that the "
            "events reach, or name other split.target_events"
        )


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
