"""Faults that a backtest plants in the data as of one date: what a shop's export or integration may get wrong.

Each is one or two SELECTs that replace the tables `events` and `products` of a snapshot that is cut at $as_of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from components.errors import ParamsError
from components.params.data import parse_time
from components.times import to_naive_utc

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PERMUTED = """
WITH recent AS (SELECT DISTINCT item_id FROM events WHERE timestamp >= $as_of - INTERVAL 28 DAY),
own AS (SELECT item_id, row_number() OVER (ORDER BY item_id) AS n FROM recent),
other AS (SELECT item_id AS other, row_number() OVER (ORDER BY md5(item_id)) AS n FROM recent)
SELECT e.* REPLACE (
    CASE WHEN timestamp >= $as_of - INTERVAL 28 DAY THEN o.other ELSE e.item_id END AS item_id)
FROM events e LEFT JOIN own USING (item_id) LEFT JOIN other o USING (n)
"""
USERS = """
WITH recent AS (SELECT DISTINCT user_id FROM events WHERE timestamp >= $as_of - INTERVAL 28 DAY),
own AS (SELECT user_id, row_number() OVER (ORDER BY user_id) AS n FROM recent WHERE user_id IS NOT NULL),
other AS (
    SELECT user_id AS other, row_number() OVER (ORDER BY md5(user_id)) AS n FROM recent WHERE user_id IS NOT NULL)
SELECT e.* REPLACE (
    CASE WHEN timestamp >= $as_of - INTERVAL 28 DAY THEN o.other ELSE e.user_id END AS user_id)
FROM events e LEFT JOIN own USING (user_id) LEFT JOIN other o USING (n)
"""
DOUBLED = """
FROM events UNION ALL
SELECT * REPLACE (least(timestamp + INTERVAL 1 SECOND, $as_of - INTERVAL 1 MICROSECOND) AS timestamp)
FROM events WHERE timestamp >= $as_of - INTERVAL 28 DAY
"""


@dataclass(frozen=True)
class Fault:
    """A kind of fault: a sentence, and the SELECTs over `events` and `products` that make it; None: unchanged."""

    meaning: str
    events: str | None = None
    products: str | None = None


FAULTS = {
    "permuted": Fault("the items of all events of the last 28 days are exchanged at random", PERMUTED),
    "users": Fault("the users of all events of the last 28 days are exchanged at random", USERS),
    "doubled": Fault("every event of the last 28 days is there twice, one second apart", DOUBLED),
    "returns": Fault(
        "returns are read as purchases",
        "SELECT * REPLACE (CASE event WHEN 'return' THEN 'purchase' ELSE event END AS event) FROM events",
    ),
    "catalogue": Fault(
        "a third of the products is missing",
        products="FROM products WHERE ('0x' || left(md5(item_id), 8))::UBIGINT % 3 <> 0",
    ),
    "gap": Fault(
        "the last 7 days have no events",
        "FROM events WHERE timestamp < $as_of - INTERVAL 7 DAY",
    ),
    "prices": Fault(
        "prices are 100 times too high",
        "SELECT * REPLACE (price * 100 AS price) FROM events",
        "SELECT * REPLACE (price * 100 AS price) FROM products",
    ),
}


@dataclass(frozen=True)
class Plant:
    """A fault in the data as of one date; as of the next date it is mended."""

    fault: str
    at: datetime | None = None  # None: each date in turn, in replays of their own

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the plant of FAULT or FAULT@DATE; raises ParamsError for an unknown fault or no date."""
        fault, marked, date = text.partition("@")
        if fault not in FAULTS:
            raise ParamsError(f"--plant {text}: unknown fault {fault!r}; expected one of {sorted(FAULTS)}")
        try:
            at = parse_time(date) if marked else None
        except ValueError as error:
            raise ParamsError(f"--plant {text}: {error}") from None
        if isinstance(at, str):
            raise ParamsError(f"--plant {text}: expected a date such as {fault}@2011-09-07, got {date!r}")
        return cls(fault, at)

    def __str__(self) -> str:
        """Return FAULT@DATE."""
        return self.fault if self.at is None else f"{self.fault}@{self.at:%Y-%m-%d}"


def plant(connection: DuckDBPyConnection, fault: Fault, as_of: datetime) -> None:
    """Replace the tables `events` and `products` by those with the fault."""
    for table, sql in (("events", fault.events), ("products", fault.products)):
        if sql is not None:
            parameters = {"as_of": to_naive_utc(as_of)} if "$as_of" in sql else None
            changed = connection.execute(sql, parameters).to_arrow_table()
            connection.register("changed", changed)
            connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM changed")
            connection.unregister("changed")
