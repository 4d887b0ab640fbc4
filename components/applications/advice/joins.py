"""How tables belong together: which column of one has the values of a column of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.applications.advice.columns import Looked, SourceColumn, Table, alias_of
from components.applications.advice.names import normalise, score_role
from components.applications.advice.roles import TableRoles

if TYPE_CHECKING:
    from collections.abc import Sequence

JOINED = 0.9  # share of the values that another table must have to be joined
PART = 0.5  # share of the values below which a table of products is of other things


@dataclass(frozen=True)
class Join:
    """A column whose values another table knows as its key."""

    column: SourceColumn
    roles: TableRoles  # of the other table
    key: SourceColumn
    coverage: float  # share of the column's distinct values that the key has


def coverage(looked: Looked, table: Table, column: SourceColumn, other: Table, key: SourceColumn) -> float:
    """Return the share of the column's distinct values that are in the other table's column."""
    left, right = alias_of(table, column), alias_of(other, key)
    row = looked.connection.execute(
        f"SELECT avg((v IN (SELECT {_id(right)} FROM {other.view} WHERE {right} IS NOT NULL))::INT) "
        f"FROM (SELECT DISTINCT {_id(left)} AS v FROM {table.view} WHERE {left} IS NOT NULL)"
    ).fetchone()
    return float(row[0] or 0.0) if row else 0.0


def is_one_to_one(looked: Looked, table: Table, one: SourceColumn, other: SourceColumn) -> bool:
    """Return whether the values of two columns always come together."""
    a, b = alias_of(table, one), alias_of(table, other)
    row = looked.connection.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {a}, {b} FROM {table.view} WHERE {a} IS NOT NULL AND {b} IS NOT NULL)"
    ).fetchone()
    pairs = int(row[0]) if row else 0
    return pairs == one.n_distinct == other.n_distinct


def find_products(looked: Looked, lines: Sequence[TableRoles], others: Sequence[TableRoles]) -> dict[str, Join]:
    """Return view of a table of lines -> the products that its item column names; of none where none fits.

    A table of products has a key that is an item by its name, and no user.
    """
    found: dict[str, Join] = {}
    for of in lines:
        joins = [
            (
                join.coverage + 0.3 * score_role(join.column.name, "item") + 0.1 * score_role(join.key.name, "item"),
                n,
                join,
            )
            for n, join in enumerate(_item_joins(looked, of, others))
            if join.coverage >= PART
        ]
        if joins:
            found[of.table.view] = max(joins, key=lambda j: (j[0], -j[1]))[2]
    return found


def find_key_join(looked: Looked, of: Table, column: SourceColumn, others: Sequence[TableRoles]) -> Join | None:
    """Return the table that has the column's values as its key; None where none has nearly all of them.

    The key has the same name, or is called id.
    """
    name, best = normalise(column.name), None
    for other in others:
        if other.table is of:
            continue
        for key in other.table.columns:
            tidy = normalise(key.name)
            if not (
                other.is_key(key) and (tidy in (name, "id", "number", "name") or score_role(key.name, "order") >= 1)
            ):
                continue
            share = coverage(looked, of, column, other.table, key)
            if share >= JOINED and (best is None or share > best.coverage):
                best = Join(column, other, key, share)
    return best


def _item_joins(looked: Looked, of: TableRoles, others: Sequence[TableRoles]) -> list[Join]:
    items = [c.column for c in of.candidates.get("item", [])]
    names = {normalise(c.name) for c in items}
    joins = []
    for other in others:
        if other.table is of.table or other.best("user", 0.5) is not None:
            continue
        for key in other.table.columns:
            if not (key.is_id and other.is_key(key) and (score_role(key.name, "item") or normalise(key.name) in names)):
                continue
            joins += [Join(c, other, key, coverage(looked, of.table, c, other.table, key)) for c in items]
    return joins


def _id(alias: str) -> str:
    """Return SQL for a value as ingest cleans ids: 17850.0 is 17850."""
    return f"regexp_replace(trim({alias}), '^(-?[0-9]+)\\.0$', '\\1')"
