"""Snapshot -> train, validation and test windows, as components/data/tables.py reads them.

By global time: train < validation < test, the test window ending at as_of. Leave-one-out, for comparison with papers:
of each user with three events or more, the last is the test and the last but one the validation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import EVENTS, WINDOWS
from components.data.snapshot import partitions, read_snapshot_info
from components.data.tables import SplitInfo
from components.errors import ContractError
from components.params import Split

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

COLUMNS = ("user_idx", "item_idx", "timestamp", "event", "weight", "target")


def make_split(snapshot: Path, out: Path, split: Split, as_of: datetime, memory_gib: float) -> SplitInfo:
    """Write the split's files below `out`; raises ContractError when a window is empty."""
    import duckdb

    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        _read(connection, snapshot, split, as_of)
        test_end = _us(as_of)
        validation_end = _us(as_of - timedelta(days=split.test_days))
        train_end = _us(as_of - timedelta(days=split.test_days + split.validation_days))
        if split.protocol == "leave_one_out":
            train_end = validation_end = test_end
        _mark_windows(connection, split.protocol, train_end, validation_end)
        info = SplitInfo(
            protocol=split.protocol,
            train_end=train_end,
            validation_end=validation_end,
            test_end=test_end,
            n_users=_one(connection, "SELECT count(*) FROM users"),
            n_items=_one(connection, "SELECT count(*) FROM items"),
            max_history=split.max_history,
            simulated=read_snapshot_info(snapshot).simulated,
        )
        _write(connection, "SELECT * FROM items ORDER BY item_idx", out / "items.parquet")
        _write(connection, "SELECT * FROM users ORDER BY user_idx", out / "users.parquet")
        for number, window in enumerate(WINDOWS):
            rows = f"SELECT {', '.join(COLUMNS)} FROM marked WHERE win = {number} ORDER BY user_idx, timestamp, seq"
            _check(_write(connection, rows, out / f"{window}.parquet"), window, info, split)
    (out / "split.json").write_text(info.model_dump_json(indent=1) + "\n")
    return info


def _read(connection: DuckDBPyConnection, snapshot: Path, split: Split, as_of: datetime) -> None:
    """Make the tables items, users and known: events that teach, with our indices."""
    weights = ", ".join(f"('{e}', {EVENTS.index(e)}::TINYINT, {w}::FLOAT, {e in split.target_events})"
                        for e, w in split.weights.items())  # fmt: skip
    files = [str(p) for p in partitions(snapshot, "events")]
    connection.execute(f"CREATE TEMP TABLE weights AS FROM (VALUES {weights}) w(event, code, weight, target)")
    connection.execute(
        "CREATE TEMP TABLE items AS SELECT (row_number() OVER (ORDER BY item_id))::INT AS item_idx, item_id, title, "
        "description, brand, category, language, price FROM read_parquet($1)",
        [[str(p) for p in partitions(snapshot, "products")]],
    )
    connection.execute(
        "CREATE TEMP TABLE events AS SELECT e.user_id, i.item_idx, epoch_us(e.timestamp) AS timestamp, w.code, "
        "w.weight, w.target, e.file_index * 4294967296 + e.file_row_number AS seq "
        "FROM read_parquet($1, file_row_number = true) e JOIN items i USING (item_id) JOIN weights w USING (event) "
        "WHERE epoch_us(e.timestamp) < $2",
        [files, _us(as_of)],
    )
    connection.execute(
        "CREATE TEMP TABLE users AS SELECT (row_number() OVER (ORDER BY user_id))::INT AS user_idx, user_id "
        "FROM (SELECT DISTINCT user_id FROM events WHERE user_id IS NOT NULL)"
    )
    connection.execute(
        "CREATE TEMP TABLE known AS SELECT coalesce(u.user_idx, 0) AS user_idx, e.* EXCLUDE (user_id, code), "
        "e.code AS event FROM events e LEFT JOIN users u USING (user_id); DROP TABLE events"
    )


def _mark_windows(connection: DuckDBPyConnection, protocol: str, train_end: int, validation_end: int) -> None:
    """Make the view or table `marked`: known plus win, 0 train, 1 validation, 2 test."""
    if protocol == "global_time":
        connection.execute(
            f"CREATE TEMP VIEW marked AS SELECT *, (timestamp >= {train_end})::INT "
            f"+ (timestamp >= {validation_end})::INT AS win FROM known"
        )
        return
    connection.execute(
        "CREATE TEMP TABLE marked AS SELECT * EXCLUDE (age, n), CASE WHEN user_idx = 0 OR n < 3 THEN 0 "
        "WHEN age = 1 THEN 2 WHEN age = 2 THEN 1 ELSE 0 END AS win "
        "FROM (SELECT *, count(*) OVER (PARTITION BY user_idx) AS n, "
        "row_number() OVER (PARTITION BY user_idx ORDER BY timestamp DESC, seq DESC) AS age FROM known)"
    )


def _write(connection: DuckDBPyConnection, sql: str, path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    rows = connection.execute(sql).to_arrow_table()
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)
    return rows


def _check(rows: pa.Table, window: str, info: SplitInfo, split: Split) -> None:
    import pyarrow.compute as pc

    n = rows.num_rows if window == "train" else pc.sum(pc.and_(rows["target"], pc.greater(rows["user_idx"], 0))).as_py()
    if not n:
        wanted = "events" if window == "train" else f"{' or '.join(split.target_events)} of known users"
        raise ContractError(
            f"the {window} window has no {wanted}; the test window ends at as_of. Lower split.validation_days "
            f"({split.validation_days:g}) or split.test_days ({split.test_days:g}), set data.as_of to a time that the "
            "events reach, or name other split.target_events"
        )


def _us(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
