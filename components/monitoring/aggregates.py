"""Counts of a snapshot's newest days, by day and by item: SQL aggregates, so that no event becomes a Python object.

Day 0 is the 24 hours before as_of, day 1 the 24 hours before them; so equal days of the week are 7 apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import EVENTS
from components.data.partitions import partitions
from components.times import to_naive_utc

if TYPE_CHECKING:
    import duckdb

Floats = NDArray[np.float64]

SPANS = (1, 7, 28)  # days that are compared with the time before them
BASE_DAYS = 28  # days before a span that it is compared with, item by item
IMPRESSION = EVENTS.index("impression")
EVENT_TYPES = {
    "user_id": "VARCHAR", "item_id": "VARCHAR", "timestamp": "TIMESTAMP", "event": "VARCHAR", "quantity": "DOUBLE",
    "price": "DOUBLE", "session_id": "VARCHAR", "position": "DOUBLE", "propensity": "DOUBLE",
}  # fmt: skip
COLUMNS = tuple(name for name in EVENT_TYPES if name not in ("timestamp", "event"))  # may be null
NUMBERS = tuple(name for name, kind in EVENT_TYPES.items() if kind == "DOUBLE")  # may be NaN or infinite
TEXTS = ("title", "description", "brand", "category", "language")

DAILY = """
SELECT day, event, count(*) AS n,
    CASE WHEN event = 'impression' THEN 0 ELSE count(*) - count(DISTINCT hash(user_id, item_id, timestamp)) END
        AS repeats,
    {columns}
FROM recent GROUP BY day, event
"""
ACTIVITY = """
WITH active AS (
    SELECT day, user_id, count(*) AS n FROM recent WHERE user_id IS NOT NULL AND event <> 'impression'
    GROUP BY day, user_id
)
SELECT day, n, count(*) AS users FROM active GROUP BY day, n ORDER BY day, n
"""
ITEMS = "SELECT {columns} FROM recent WHERE event <> 'impression' GROUP BY item_id ORDER BY item_id"


@dataclass(frozen=True)
class DailyCounts:
    """Aggregates by day; row 0 is the newest."""

    n: Floats  # (n_days, kinds of EVENTS) events
    nulls: Floats  # (n_days, kinds of EVENTS, COLUMNS) rows without a value
    not_finite: Floats  # (n_days, NUMBERS) rows with NaN or infinity
    repeats: Floats  # (n_days,) events with user, item, kind and time of another
    user_days: Floats  # (n_days,) known users with an event
    log_events: Floats  # (n_days,) sum over these users of ln(events of the day)

    @property
    def actions(self) -> Floats:
        """Return (n_days,) events of users: all but impressions, which the shop creates."""
        counts: Floats = np.delete(self.n, IMPRESSION, axis=1).sum(axis=1)
        return counts

    @property
    def n_covered(self) -> int:
        """Return the number of days from the oldest day with an event to as_of."""
        found = np.flatnonzero(self.n.sum(axis=1))
        return int(found[-1]) + 1 if len(found) else 0


@dataclass(frozen=True)
class ItemCounts:
    """Aggregates by item for one span: the span itself, the BASE_DAYS before it, and the BASE_DAYS before those."""

    span: int  # days
    current: Floats  # (n_items,) events
    base: Floats  # (n_items,)
    older: Floats  # (n_items,)
    price: Floats  # (n_items,) median price of the span's events; NaN where there is none
    base_price: Floats  # (n_items,)


@dataclass(frozen=True)
class ProductChanges:
    """The champion's products against the same item ids now, as counts and as (n_products,) price ratios."""

    n_known: int  # products in the champion's bundle
    n_lost: int  # of which have no row any more
    values: dict[str, tuple[int, int]]  # column -> products that had a value, and of those how many have none now
    changed: dict[str, tuple[int, int]]  # column -> products with both values, and of those how many differ
    price_ratio: Floats  # price now over price then, of products that have both
    not_finite: int  # products with a NaN or infinite price


def count_days(connection: duckdb.DuckDBPyConnection, n_days: int) -> DailyCounts:
    """Return the daily aggregates of the view `recent`."""
    nulls = [f"count(*) - count({name}) AS {name}" for name in COLUMNS]
    odd = [f"count(*) FILTER (NOT isfinite({name})) AS odd_{name}" for name in NUMBERS]
    rows = connection.execute(DAILY.format(columns=", ".join(nulls + odd))).fetchnumpy()
    day, kind = rows["day"].astype(int), np.array([EVENTS.index(name) for name in rows["event"]], dtype=int)
    by_kind = (n_days, len(EVENTS))
    counts = DailyCounts(
        n=_filled(by_kind, (day, kind), rows["n"]),
        nulls=np.stack([_filled(by_kind, (day, kind), rows[name]) for name in COLUMNS], axis=2),
        not_finite=np.stack([_filled(by_kind, (day, kind), rows[f"odd_{n}"]).sum(axis=1) for n in NUMBERS], axis=1),
        repeats=_filled(by_kind, (day, kind), rows["repeats"]).sum(axis=1),
        user_days=np.zeros(n_days),
        log_events=np.zeros(n_days),
    )
    active = connection.execute(ACTIVITY).fetchnumpy()
    of = active["day"].astype(int)
    np.add.at(counts.user_days, of, active["users"])
    np.add.at(counts.log_events, of, active["users"] * np.log(active["n"]))  # in SQL, the order of a sum is by chance
    return counts


def count_items(connection: duckdb.DuckDBPyConnection) -> list[ItemCounts]:
    """Return the aggregates by item of the view `recent`, one for each of SPANS."""
    columns = []
    for span in SPANS:
        middle, first = span + BASE_DAYS, span + 2 * BASE_DAYS
        windows = {
            "current": f"day < {span}",
            "base": f"day >= {span} AND day < {middle}",
            "older": f"day >= {middle} AND day < {first}",
        }
        columns += [f"count(*) FILTER ({where}) AS {name}_{span}" for name, where in windows.items()]
        for name, where in list(windows.items())[:2]:
            columns.append(f"median(price) FILTER ({where} AND price > 0 AND isfinite(price)) AS price_{name}_{span}")
    rows = connection.execute(ITEMS.format(columns=", ".join(columns))).fetchnumpy()
    found = {name: np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan) for name, values in rows.items()}
    return [
        ItemCounts(
            span=span,
            current=found[f"current_{span}"],
            base=found[f"base_{span}"],
            older=found[f"older_{span}"],
            price=found[f"price_current_{span}"],
            base_price=found[f"price_base_{span}"],
        )
        for span in SPANS
    ]


def compare_products(connection: duckdb.DuckDBPyConnection, snapshot: Path, known: Path) -> ProductChanges:
    """Return how the products of the snapshot differ from those of a bundle's items.parquet.

    A title counts as another one where the Jaro-Winkler similarity of both is below 0.7 (a corrected spelling is
    above), a category where its top level is not equal.
    """
    other = {
        "title": "jaro_winkler_similarity(lower(k.title), lower(p.title)) < 0.7",
        "category": "lower(trim(split_part(k.category, '>', 1))) <> lower(trim(split_part(p.category, '>', 1)))",
    }
    columns = ["count(*) AS n", "count(*) FILTER (p.item_id IS NULL) AS lost"]
    for name in TEXTS:
        had = f"p.item_id IS NOT NULL AND k.{name} <> ''"
        columns.append(f"count(*) FILTER ({had}) AS had_{name}")
        columns.append(f"count(*) FILTER ({had} AND coalesce(p.{name}, '') = '') AS none_{name}")
    for name, where in other.items():
        both = f"k.{name} <> '' AND p.{name} <> ''"
        columns.append(f"count(*) FILTER ({both}) AS both_{name}")
        columns.append(f"count(*) FILTER ({both} AND {where}) AS other_{name}")
    had = "p.item_id IS NOT NULL AND isfinite(k.price)"
    columns += [f"count(*) FILTER ({had}) AS had_price", f"count(*) FILTER ({had} AND p.price IS NULL) AS none_price"]
    columns.append("count(*) FILTER (NOT isfinite(p.price)) AS odd")
    prices = "isfinite(k.price) AND isfinite(p.price) AND k.price > 0 AND p.price > 0"
    columns.append(f"coalesce(list(p.price / k.price) FILTER ({prices}), []) AS ratio")
    types = {"item_id": "VARCHAR", **dict.fromkeys(TEXTS, "VARCHAR"), "price": "DOUBLE"}
    sides = (select_rows(connection, files, types) for files in ([known], partitions(snapshot, "products")))
    known_rows, new_rows = sides
    cursor = connection.execute(
        f"SELECT {', '.join(columns)} FROM ({known_rows}) k LEFT JOIN ({new_rows}) p USING (item_id)"  # noqa: S608
    )
    row = dict(zip([c[0] for c in cursor.description or []], cursor.fetchall()[0], strict=True))
    return ProductChanges(
        n_known=row["n"],
        n_lost=row["lost"],
        values={name: (row[f"had_{name}"], row[f"none_{name}"]) for name in (*TEXTS, "price")},
        changed={name: (row[f"both_{name}"], row[f"other_{name}"]) for name in other},
        price_ratio=np.array(row["ratio"], dtype=np.float64),
        not_finite=row["odd"],
    )


def count_new_users(snapshot: Path, start: datetime, end: datetime, kinds: Sequence[str], memory_gib: float) -> int:
    """Return how many known users have an event of these kinds with start <= timestamp < end."""
    import duckdb

    files = _events_since(snapshot, start)
    if not files:
        return 0
    with duckdb.connect(config={"memory_limit": f"{memory_gib}GiB"}) as connection:
        rows = select_rows(connection, files, EVENT_TYPES)
        query = (
            f"SELECT count(DISTINCT user_id) FROM ({rows}) "  # noqa: S608
            "WHERE timestamp >= $1 AND timestamp < $2 AND list_contains($3, event)"
        )
        found = connection.execute(query, [to_naive_utc(start), to_naive_utc(end), list(kinds)]).fetchone()
    return int(found[0]) if found else 0


def create_recent(connection: duckdb.DuckDBPyConnection, snapshot: Path, as_of: datetime, n_days: int) -> None:
    """Create the view `recent`: the events of the n_days before as_of, with their day."""
    start, end = to_naive_utc(as_of - timedelta(days=n_days)), to_naive_utc(as_of)
    files = _events_since(snapshot, start) or partitions(snapshot, "events")
    rows = select_rows(connection, files, EVENT_TYPES)
    connection.execute(
        f"CREATE OR REPLACE VIEW recent AS SELECT *, "  # noqa: S608
        f"(epoch_us(TIMESTAMP '{end}') - epoch_us(timestamp) - 1) // 86400000000 AS day "
        f"FROM ({rows}) WHERE timestamp >= TIMESTAMP '{start}' AND timestamp < TIMESTAMP '{end}'"
    )


def _events_since(snapshot: Path, start: datetime) -> list[Path]:
    """Return the files of the months from that of start on."""
    return [file for file in partitions(snapshot, "events") if file.parent.name >= f"month={start:%Y-%m}"]


def select_rows(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], types: dict[str, str]) -> str:
    """Return a SELECT of these columns from Parquet files; a column that no file has is null."""
    quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    source = f"read_parquet([{quoted}], hive_partitioning = false, union_by_name = true)"
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
    columns = [f"{name if name in there else 'NULL'}::{kind} AS {name}" for name, kind in types.items()]
    return f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608


def _filled(shape: tuple[int, ...], at: tuple[Any, ...], values: Any) -> Floats:
    out = np.zeros(shape)
    out[at] = values
    return out
