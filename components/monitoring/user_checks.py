"""What a fault changes in what users do again: events on items, and in categories, that the same user had before.

Exchanged users leave every count of events and items as it was, and exchanged items leave those of users. Both break
the link between a user and what they return to, which is what personal models learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.data.partitions import partitions
from components.monitoring.aggregates import BASE_DAYS, SPANS, select_rows
from components.monitoring.expectations import Deviation, describe_span
from components.params import DataChecksParams

if TYPE_CHECKING:
    import duckdb

KEYS = {"items": "item_id", "categories": "category"}
# pairs of user and key in [first, first + span) days before as_of, of users with events in the BASE_DAYS before; and
# of these pairs, those that the user had in the BASE_DAYS before
PAIRS = """
WITH acts AS (
    SELECT DISTINCT user_id, {key} AS own, day FROM recent {join}
    WHERE user_id IS NOT NULL AND {key} IS NOT NULL AND event <> 'impression'
),
before AS (SELECT DISTINCT user_id, own FROM acts WHERE day >= {middle} AND day < {last}),
now AS (SELECT DISTINCT user_id, own FROM acts WHERE day >= {first} AND day < {middle})
SELECT count(*), count(b.own) FROM (SELECT * FROM now SEMI JOIN before USING (user_id)) n
LEFT JOIN before b USING (user_id, own)
"""


@dataclass(frozen=True)
class ReturnCounts:
    """Pairs of a user and an item or category in a span and in the span before it, and those the user had before."""

    span: int  # days
    key: str  # of KEYS
    n: int  # pairs of users who had events in the BASE_DAYS before the span
    n_own: int  # of which the user had the same item or category in those days
    base_n: int  # likewise, of the span before
    base_own: int


def count_returns(connection: duckdb.DuckDBPyConnection, snapshot: Path) -> list[ReturnCounts]:
    """Return the counts of the view `recent`, for each key and each span of a week or more."""
    products = select_rows(connection, partitions(snapshot, "products"), {"item_id": "VARCHAR", "category": "VARCHAR"})
    found = []
    for name, key in KEYS.items():
        join = "" if key == "item_id" else f"JOIN ({products}) USING (item_id)"
        for span in (span for span in SPANS if span > 1):
            counts: list[int] = []
            for first in (0, span):
                middle = first + span
                sql = PAIRS.format(key=key, join=join, first=first, middle=middle, last=middle + BASE_DAYS)
                counts += connection.execute(sql).fetchall()[0]
            found.append(ReturnCounts(span, name, *counts))
    return found


def compare_returns(returns: Sequence[ReturnCounts], covered: int, params: DataChecksParams) -> Iterator[Deviation]:
    """Compare the share of the pairs that the user had before with that of the span before."""
    for part in returns:
        if covered < 2 * part.span + BASE_DAYS or not part.base_n or not part.n:
            continue
        expected = part.base_own / part.base_n * part.n
        text = (
            f"in {describe_span(part.span)} users returned to {part.n_own} {part.key} that they had before, expected "
            f"{expected:.0f} of {part.n}"
        )
        fewer = (expected + params.prior_events) / (part.n_own + params.prior_events)
        yield Deviation(float(fewer), params.max_return_factor, text)
