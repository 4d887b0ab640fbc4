"""Stage `split`: snapshot -> train, validation and test windows; components/data/tables.py reads the files.

global_time: train < validation < test in time, and the test window ends at as_of. leave_one_out, for comparison with
papers: of each user with at least three target events, the last is in the test window and the one before it in the
validation window.

A pass with a recipe (`carousel refresh`) needs no validation: its test window is a short holdout, and models learn from
all events before it. Its validation window holds the labels of the ranker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.contracts import EVENTS, WINDOWS
from components.data.partitions import BATCH, consented, partitions, write_part
from components.data.snapshot import read_snapshot_info
from components.data.sql import quote_text
from components.data.tables import SplitInfo, count_events, count_users, shown_file
from components.errors import ContractError
from components.io import write_record
from components.params import Params, SplitParams
from components.times import to_datetime, to_micros

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Holdout:
    """The test window of a pass with a recipe."""

    min_users: int  # users with a target
    max_days: int
    not_before: datetime | None  # earliest start; None: any
    exclude_seen: bool  # only items that are new to the user are targets


def holdout_of(params: Params) -> Holdout:
    """Return the test window of a pass with a recipe."""
    return Holdout(
        params.refresh.min_users,
        params.refresh.max_holdout_days,
        params.refresh.not_before,
        params.recommend.exclude_seen,
    )


def make_split(
    snapshot: Path, out: Path, split: SplitParams, as_of: datetime, memory_gib: float, holdout: Holdout | None = None
) -> SplitInfo:
    """Write the files below `out`; raises ContractError when a window is empty, or rows of the snapshot are too new.

    holdout: the test window is the fewest whole days before as_of with enough users, instead of split.test_days.
    """
    import duckdb

    with (
        TemporaryDirectory(prefix=".spill-", dir=out) as spill,
        duckdb.connect(config={"memory_limit": f"{memory_gib}GiB", "temp_directory": spill}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        _check_no_future_rows(connection, snapshot, as_of)
        create_tables(connection, snapshot, split)
        days = split.test_days if holdout is None else _holdout_days(connection, split, as_of, holdout)
        info = _window_ends(snapshot, split, as_of, days)
        if holdout is not None:
            info = info.model_copy(update={"fit_windows": ("train", "validation")})
        _mark_windows(connection, info)
        info = info.model_copy(
            update={
                "n_users": _count(connection, "SELECT count(*) FROM users"),
                "n_items": _count(connection, "SELECT count(*) FROM items"),
            }
        )
        _write(connection, "SELECT * FROM items ORDER BY item_idx", out / "items.parquet")
        _write(connection, "SELECT * FROM users ORDER BY user_idx", out / "users.parquet")
        for number, window in enumerate(WINDOWS):
            rows = (
                "SELECT user_idx, item_idx, timestamp, code AS event, weight, target AND measured AS target "
                f"FROM marked JOIN weights USING (code) WHERE win = {number} ORDER BY user_idx, timestamp, seq"
            )
            _check_not_empty(_write(connection, rows, out / f"{window}.parquet"), window, info, split, holdout)
        if split.exposure and info.protocol == "global_time":
            _write_shown(connection, snapshot, out, info, split.exposure)
    write_record(out / "split.json", info)
    return info


def _holdout_days(connection: DuckDBPyConnection, split: SplitParams, as_of: datetime, holdout: Holdout) -> int:
    """Return the fewest whole days before as_of with `min_users` users with a target, at most `max_days`.

    The holdout starts no earlier than `not_before`. Raises ContractError where not even one day is left, or the
    protocol is leave_one_out.
    """
    if split.protocol == "leave_one_out":
        raise ContractError("a refresh needs windows in time: set split.protocol to global_time")
    longest = holdout.max_days
    if holdout.not_before is not None:
        longest = min(longest, (as_of - holdout.not_before) // timedelta(days=1))
    if longest < 1:
        raise ContractError(
            f"nothing to refresh with: the champion learned from all before {holdout.not_before:%Y-%m-%d %H:%M}, "
            f"and data.as_of is {as_of:%Y-%m-%d %H:%M}; a holdout is at least one day: wait for newer events"
        )
    when = "min(timestamp)" if holdout.exclude_seen else "max(timestamp) FILTER (target)"
    newest = connection.execute(
        "SELECT max(latest) AS latest FROM (SELECT user_idx, item_idx, "
        f"{when} AS latest FROM known JOIN weights USING (code) WHERE user_idx > 0 GROUP BY ALL HAVING bool_or(target)"
        ") GROUP BY user_idx"
    ).fetchnumpy()["latest"]  # per user, microseconds: the latest start of a window in which the user has a target
    starts = [to_micros(as_of - timedelta(days=days)) for days in range(1, longest + 1)]
    enough = [days for days, start in enumerate(starts, start=1) if (newest >= start).sum() >= holdout.min_users]
    return enough[0] if enough else longest


def _window_ends(snapshot: Path, split: SplitParams, as_of: datetime, test_days: float) -> SplitInfo:
    """Return the ends of the windows, with n_users and n_items still 0."""
    days = (test_days + split.validation_days, test_days, 0)
    if split.protocol == "leave_one_out":  # windows are cut by the order of each user's events instead
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


def _check_no_future_rows(connection: DuckDBPyConnection, snapshot: Path, as_of: datetime) -> None:
    """Raise ContractError for a snapshot that was taken after as_of, or that has rows at or after it."""
    taken = datetime.fromisoformat(read_snapshot_info(snapshot).as_of)
    if taken > as_of:
        raise ContractError(
            f"{snapshot} was taken as of {taken:%Y-%m-%d %H:%M}, later than data.as_of {as_of:%Y-%m-%d %H:%M}: leakage "
            "through its catalogue; run the stage `ingest` again"
        )
    for table in ("events", "products"):
        paths = [str(p) for p in partitions(snapshot, table)]
        sql = "SELECT count(*) FROM read_parquet($1) WHERE timestamp IS NOT NULL AND epoch_us(timestamp) >= $2"
        future = connection.execute(sql, [paths, to_micros(as_of)]).fetchone()
        if future and future[0]:
            raise ContractError(
                f"{snapshot / table}: leakage: {future[0]} rows at or after data.as_of {as_of:%Y-%m-%d %H:%M}, where "
                "`ingest` writes none: the snapshot was changed; run the stage `ingest` again"
            )


def create_tables(connection: DuckDBPyConnection, snapshot: Path, split: SplitParams) -> None:
    """Create the tables weights, items, users and known (the events that have a weight, by user_idx and item_idx).

    An event without consent to the purpose `measure` is no target: `measured` is false.

    seq orders events of equal times: by the rows of the snapshot, or, with shuffle_ties, by a digest of their content.
    """
    values = ", ".join(
        f"({EVENTS.index(e)}::TINYINT, {w}::FLOAT, {e in split.target_events})" for e, w in split.weights.items()
    )
    codes = " ".join(f"WHEN {quote_text(e)} THEN {EVENTS.index(e)}" for e in split.weights)
    files = [str(p) for p in partitions(snapshot, "events")]
    products = [str(p) for p in partitions(snapshot, "products")]
    named = connection.execute("SELECT name FROM parquet_schema($1)", [products]).fetchall()
    kind = "kind" if ("kind",) in named else "NULL::VARCHAR AS kind"  # a snapshot of an earlier version has none
    connection.execute(f"CREATE TABLE weights AS FROM (VALUES {values}) w(code, weight, target)")
    connection.execute(
        "CREATE TABLE items AS SELECT (row_number() OVER (ORDER BY item_id))::INT AS item_idx, item_id, title, "
        f"description, brand, category, language, price, {kind} FROM read_parquet($1)",
        [products],
    )
    connection.execute(
        "CREATE TABLE users AS SELECT (row_number() OVER (ORDER BY user_id))::INT AS user_idx, user_id FROM (SELECT "
        "DISTINCT user_id FROM read_parquet($1) SEMI JOIN items USING (item_id) "
        f"WHERE user_id IS NOT NULL AND event IN ({', '.join(quote_text(e) for e in split.weights)}))",
        [files],
    )
    connection.execute(
        f"CREATE TABLE known AS SELECT coalesce(u.user_idx, 0) AS user_idx, i.item_idx, "
        f"epoch_us(e.timestamp) AS timestamp, (CASE e.event {codes} END)::TINYINT AS code, "
        f"{_tie_order(split)} AS seq, {consented(connection, files, 'measure')} AS measured "
        "FROM read_parquet($1, file_row_number = true) e JOIN items i USING (item_id) "
        "LEFT JOIN users u USING (user_id) WHERE code IS NOT NULL",
        [files],
    )


def _tie_order(split: SplitParams) -> str:
    """Return the expression that orders a user's events of one time."""
    if split.shuffle_ties is None:
        return "e.file_index * 4294967296 + e.file_row_number"
    content = f"concat_ws(chr(31), e.user_id, e.item_id, e.event, '{split.shuffle_ties}')"
    return f"md5({content}) || printf('%010d%010d', e.file_index, e.file_row_number)"


def _mark_windows(connection: DuckDBPyConnection, info: SplitInfo) -> None:
    """Create the view `marked`: known with the column win: 0 train, 1 validation, 2 test.

    leave_one_out numbers a user's target events from the newest (`age`); another event belongs to the window before
    that of the target event that follows it, as part of its history. Equal events of a user at the same time count
    once: the copy in the history would reveal the target.
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


def _write_shown(connection: DuckDBPyConnection, snapshot: Path, out: Path, info: SplitInfo, exposure: float) -> None:
    """Write the impressions of each window, weight exposure * (1 - propensity).

    What a policy shows in any case says nothing: a model must not learn from its own lists that a product is wanted.
    Left out are impressions without a propensity, which may be of such lists, and those of users who are not in the
    split: nobody could take them out again.
    """
    files = [str(path) for path in partitions(snapshot, "events")]
    connection.execute(
        "CREATE TABLE shown AS SELECT coalesce(u.user_idx, 0) AS user_idx, i.item_idx, "
        f"epoch_us(e.timestamp) AS timestamp, {EVENTS.index('impression')}::TINYINT AS event, "
        f"({exposure} * (1 - e.propensity))::FLOAT AS weight FROM read_parquet($1) e JOIN items i USING (item_id) "
        "LEFT JOIN users u USING (user_id) WHERE e.event = 'impression' AND weight > 0 "
        "AND (e.user_id IS NULL OR u.user_idx IS NOT NULL)",
        [files],
    )
    starts = (0, info.train_end, info.validation_end)
    for window, start, end in zip(WINDOWS, starts, (*starts[1:], info.test_end), strict=True):
        within = f"timestamp >= {start} AND timestamp < {end}"
        rows = f"SELECT * FROM shown WHERE {within} ORDER BY user_idx, timestamp, item_idx"
        _write(connection, rows, out / f"{shown_file(window)}.parquet")


def _write(connection: DuckDBPyConnection, sql: str, path: Path) -> Path:
    write_part(connection.execute(sql).to_arrow_reader(BATCH), path)
    return path


def _check_not_empty(file: Path, window: str, info: SplitInfo, split: SplitParams, holdout: Holdout | None) -> None:
    n = count_events(file) if window == "train" else count_users(file)
    if not n:
        expected = "events" if window == "train" else f"{' or '.join(split.target_events)} of known users"
        raise ContractError(f"{_span(window, info)} has no {expected}: {_advice(window, split, holdout)}")


def _span(window: str, info: SplitInfo) -> str:
    """Return the window's name with its start and end, which windows of leave_one_out do not have."""
    if info.protocol == "leave_one_out":
        return f"the {window} window"
    ends = dict(zip(WINDOWS, (info.train_end, info.validation_end, info.test_end), strict=True))
    start = {"validation": info.train_end, "test": info.validation_end}.get(window)
    since = f"{to_datetime(start):%Y-%m-%d %H:%M} to " if start is not None else "before "
    return f"the {window} window ({since}{to_datetime(ends[window]):%Y-%m-%d %H:%M})"


def _advice(window: str, split: SplitParams, holdout: Holdout | None) -> str:
    """Return what fills an empty window. A window before another starts earlier where the later one is shorter."""
    target = "add the kind of event that the shop logs to split.target_events"
    if split.protocol == "leave_one_out":
        return f"it needs users with at least three target events; set split.protocol to global_time, or {target}"
    later = f"split.test_days ({split.test_days:g})"
    if holdout is not None:
        later = f"refresh.max_holdout_days ({holdout.max_days})"
    if window == "train":
        return f"lower split.validation_days ({split.validation_days:g}) or {later}: all windows end before data.as_of"
    if window == "validation":
        return f"raise split.validation_days ({split.validation_days:g}), or {target}"
    if holdout is None:
        return f"raise {later}, set data.as_of to the time of the newest events, or {target}"
    bound = ""
    if holdout.not_before is not None:
        bound = f"; it starts no earlier than {holdout.not_before:%Y-%m-%d %H:%M}, where the champion stopped learning"
    return (
        f"it is the holdout of this refresh, at most {later} long{bound}. Check that new events arrive; if the shop "
        "has so few, raise that limit or refresh later"
    )


def _count(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0
