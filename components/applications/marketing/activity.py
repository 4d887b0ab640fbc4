"""What each user had done before a moment, as tables: for segments, audiences, churn and response models.

`events` and `products` are views of a DuckDB connection with the columns of the contract. Events at or after the
moment are filtered before any aggregation: this prevents leakage.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.applications.marketing.user_columns import BOUGHT, COLUMNS, MONEY
from components.data.partitions import consented, partitions
from components.data.sql import quote_text, read_parquet
from components.errors import ContractError
from components.times import to_naive_utc

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

NO_CATEGORY = "none"  # of a user whose products have no category


def open_snapshot(snapshot: Path, memory_gib: float, spill: Path) -> DuckDBPyConnection:
    """Return a connection with the views `events` (those that may be used to advertise) and `products` of a snapshot.

    Raises ContractError where a table is missing.
    """
    import duckdb

    connection = duckdb.connect(config={"memory_limit": f"{memory_gib}GiB", "temp_directory": str(spill)})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    for table in ("events", "products"):
        paths = [str(path) for path in partitions(snapshot, table)]
        if not paths:
            raise ContractError(f"{snapshot / table}: no Parquet file; run the stage `ingest`")
        used = consented(connection, paths, "advertise") if table == "events" else "true"
        connection.execute(f"CREATE VIEW {table} AS FROM {read_parquet(paths)} WHERE {used}")
    return connection


def user_table(connection: DuckDBPyConnection, at: datetime, time_zone: str = "UTC") -> pd.DataFrame:
    """Return a row for each user with an event other than an impression before `at`, sorted by user_id.

    Columns: user_id, category (of most of the user's events) and COLUMNS; a number that is not defined is NaN.
    time_zone: of the hours, an IANA name.
    """
    columns = ", ".join(f"({column.sql})::DOUBLE AS {column.name}" for column in COLUMNS)
    table = connection.execute(
        f"WITH {_events(at, time_zone)}, "
        "counted AS (SELECT user_id, top, count(*) AS n FROM e WHERE top IS NOT NULL GROUP BY ALL), "
        "most AS (SELECT user_id, arg_max(top, (n, top)) AS category FROM counted GROUP BY user_id) "
        f"SELECT user_id, coalesce(category, {quote_text(NO_CATEGORY)}) AS category, {columns} "
        "FROM e LEFT JOIN most USING (user_id) GROUP BY user_id, category ORDER BY user_id"
    ).df()
    return table.fillna({column.name: np.nan for column in COLUMNS})


def category_counts(connection: DuckDBPyConnection, at: datetime) -> pd.DataFrame:
    """Return user_id, category (top level) and n, the events before `at`, sorted; without events of no category."""
    return connection.execute(
        f"WITH {_events(at, 'UTC')} SELECT user_id, top AS category, count(*)::DOUBLE AS n FROM e "
        "WHERE top IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).df()


def hour_counts(connection: DuckDBPyConnection, at: datetime, time_zone: str = "UTC") -> pd.DataFrame:
    """Return user_id, is_weekend, hour (0..23) and n, the visits before `at` that began then, sorted."""
    return connection.execute(
        f"WITH {_events(at, time_zone)}, v AS (SELECT user_id, visit, min(local) AS began FROM e GROUP BY ALL) "
        "SELECT user_id, isodow(began) >= 6 AS is_weekend, hour(began)::INT AS hour, count(*)::DOUBLE AS n FROM v "
        "GROUP BY ALL ORDER BY ALL"
    ).df()


def order_values(connection: DuckDBPyConnection, at: datetime) -> pd.DataFrame:
    """Return user_id, n_days (days with purchases of a value above 0 before `at`) and mean_value of such a day."""
    return connection.execute(
        f"WITH {_events(at, 'UTC')}, d AS (SELECT user_id, day, sum({MONEY}) AS cents FROM e WHERE {BOUGHT} "
        "GROUP BY ALL HAVING cents > 0) SELECT user_id, count(*)::DOUBLE AS n_days, "
        "sum(cents) / 10000 / count(*) AS mean_value FROM d GROUP BY user_id ORDER BY user_id"
    ).df()


def to_log(users: pd.DataFrame, names: list[str]) -> NDArray[np.float64]:
    """Return (n_users, len(names)) of these columns in log scale, NaN where a value is not defined."""
    values = users[names].to_numpy(np.float64)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _events(at: datetime, time_zone: str) -> str:
    """Return SQL that names `e`: the users' events before the moment, without impressions."""
    now = f"TIMESTAMP {quote_text(to_naive_utc(at).isoformat(sep=' '))}"
    local = "e.timestamp"
    if time_zone != "UTC":
        local = f"e.timestamp AT TIME ZONE 'UTC' AT TIME ZONE {quote_text(time_zone)}"
    return (
        "e AS (SELECT e.user_id, e.event, coalesce(e.quantity, 1) AS n, e.price, epoch_us(e.timestamp) AS at_us, "
        f"date_trunc('day', e.timestamp) AS day, epoch_us({now}) AS now_us, {local} AS local, "
        "coalesce(e.session_id, strftime(e.timestamp, '%Y-%m-%d')) AS visit, "
        "nullif(trim(split_part(p.category, ' > ', 1)), '') AS top "
        "FROM events e LEFT JOIN (SELECT item_id, any_value(category) AS category FROM products GROUP BY item_id) p "
        f"USING (item_id) WHERE e.user_id IS NOT NULL AND e.event <> 'impression' AND e.timestamp < {now})"
    )
