"""Several rows of one product: the newest value of each column counts, contradictions are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.contracts import PRODUCTS
from components.data.sql import quote_text
from components.data.validation import SUPERSEDED, VALID
from components.errors import QualityError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IDENTITY = (
    "title",
    "description",
    "brand",
    "category",
)  # a product has one of each, but several prices
VALUES = tuple(c for c in PRODUCTS if c not in ("item_id", "timestamp"))
N_EXAMPLES = 3  # products that a message names


def merge_versions(connection: DuckDBPyConnection) -> None:
    """Give the newest valid row of each product the newest value of each column, and mark the others as superseded.

    A blank cell says nothing new. Rows without a time are older than those with one; of rows with the same time, the
    later one in the sources is newer. Creates the table versions: the rows of the products that have several.
    """
    newest = "timestamp NULLS FIRST, r"
    merged = ", ".join(f"last({c} ORDER BY {newest}) FILTER ({c} IS NOT NULL) AS {c}" for c in VALUES)
    connection.execute(f"""
        CREATE OR REPLACE TABLE versions AS
            SELECT *, rowid AS r FROM staged_products WHERE _state = {VALID} AND item_id IN (
                SELECT item_id FROM staged_products WHERE _state = {VALID} GROUP BY item_id HAVING count(*) > 1);
        CREATE OR REPLACE TEMP TABLE merged AS
            SELECT last(r ORDER BY {newest}) AS r, {merged} FROM versions GROUP BY item_id;
        UPDATE staged_products SET _state = {SUPERSEDED} WHERE rowid IN (
            SELECT r FROM versions WHERE r NOT IN (SELECT r FROM merged));
        UPDATE staged_products SET {", ".join(f"{c} = merged.{c}" for c in VALUES)}
            FROM merged WHERE staged_products.rowid = merged.r;
        DROP TABLE merged
    """)


def find_contradictions(connection: DuckDBPyConnection, max_share: float) -> list[str]:
    """Return what to report of rows of one product, one file and one time, of which a column has several values.

    max_share: of the products, and of their rows. Raises QualityError when more products have several titles,
    descriptions, brands or categories at one time, or more rows are lost to another one with another: then the ids do
    not distinguish the products.
    """
    rows = f"staged_products WHERE _state IN ({VALID}, {SUPERSEDED})"
    n_rows, n_items = _row(connection, f"SELECT count(*), count(DISTINCT item_id) FROM {rows}")
    found = []
    for column in VALUES:
        groups = (
            f"SELECT item_id, count(*) - 1 AS n_lost FROM versions WHERE {column} IS NOT NULL "
            f"GROUP BY item_id, timestamp, _file HAVING count(DISTINCT {column}) > 1"
        )
        n, n_lost, examples = _row(
            connection,
            f"SELECT count(DISTINCT item_id), coalesce(sum(n_lost), 0), list(DISTINCT item_id ORDER BY item_id)"
            f"[:{N_EXAMPLES}] FROM ({groups})",
        )
        if not n:
            continue
        named = ", ".join(quote_text(item) for item in examples)
        if column in IDENTITY and max(n / n_items, n_lost / n_rows) > max_share:
            raise QualityError(
                f"products: {n} of {n_items} products ({n / n_items:.1%}) have several values of {column} in rows of "
                f"the same time, and {n_lost} of {n_rows} rows ({n_lost / n_rows:.1%}) are lost to another one, more "
                f"than data.max_contradiction_share {max_share:.1%}, as {named}: the ids do not distinguish the "
                "products. Map item_id to a column that does, give `timestamp`, or select one row of each product with "
                "`where`"
            )
        found.append(
            f"{column}: {n} of {n_items} products ({n / n_items:.1%}) have several values in rows of the same time, as "
            f"{named}; the last one counts. Give `timestamp`, or select one row of each product with `where`"
        )
    connection.execute("DROP TABLE versions")
    return found


def _row(connection: DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    return connection.execute(sql).fetchone() or ()
