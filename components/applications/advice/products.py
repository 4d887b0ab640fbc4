"""The columns of products: from a table of products, or from the lines of orders where there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from components.applications.advice.columns import Looked, SourceColumn
from components.applications.advice.draft import Draft, SourceDraft, one_path, starts
from components.applications.advice.joins import find_key_join
from components.applications.advice.names import normalise
from components.applications.advice.roles import TableRoles

MAX_LEVELS = 4  # of a category that is made of columns
SEPARATED = 0.3  # share of the values with a separator from which it separates levels
_SEPARATORS = ((r"\s>\s", " > "), (r"\|", "|"), (r"\s/\s", " / "), (r"\S/\S", "/"), (r"^[a-z_]\w*(\.\w+)+$", "."))


def map_products(
    looked: Looked, draft: Draft, roles: TableRoles, key: SourceColumn, others: Sequence[TableRoles], root: Path
) -> None:
    """Add the sources of a table of products."""
    for start in starts(roles.table, root):
        found = SourceDraft("products", start, seen=roles.table.names)
        found.set("item_id", key.sql)
        map_item_columns(looked, draft, found, roles, others, root, (key,))
        draft.sources.append(found)
    used = {expression for s in draft.of("products") for expression in s.columns.values()}
    left = [c.name for c in roles.table.columns if not any(c.sql in text for text in used)]
    if left:
        draft.not_used.append(
            f"{roles.table.name}: columns {', '.join(' '.join(name.split())[:40] for name in left[:20])}"
        )


def map_item_columns(
    looked: Looked,
    draft: Draft,
    found: SourceDraft,
    roles: TableRoles,
    others: Sequence[TableRoles],
    root: Path,
    taken: Sequence[SourceColumn],
) -> None:
    """Map title, description, brand, category, price, language and image to the table's columns, where it has them."""
    used = {c.name for c in taken}
    for name in ("title", "description", "brand", "image", "language"):
        column = roles.best(name, 0.4)
        if column is None or column.name in used or (name == "description" and _has_levels(column)):
            continue
        used.add(column.name)
        sql, note = _named(looked, draft, roles, column, others, root) if name == "brand" else (column.sql, "")
        found.set(name, sql, note)
    sql, note = _category(looked, draft, roles, others, root, used)
    if sql:
        found.set("category", sql, note)
    price = roles.best("price", 0.4)
    if price is not None and price.number is not None and price.name not in used:
        found.set("price", price.sql if price.number.is_plain else price.number.expression(price.sql))
    if "title" not in found.columns:
        found.about.append("no title was found: models of product texts learn little here")


def _has_levels(column: SourceColumn) -> bool:
    """Return whether the values are levels of a category, joined by > or |."""
    levels = sum(re.search(r"\s>\s|\|", value) is not None for value in column.values)
    return levels >= 0.5 * len(column.values) > 0


def _category(
    looked: Looked, draft: Draft, roles: TableRoles, others: Sequence[TableRoles], root: Path, used: set[str]
) -> tuple[str, str]:
    """Return the expression for the category and a note; levels from few values to many."""
    listed = [c for c in roles.candidates.get("category", []) if c.column.name not in used and c.column.n_distinct > 1]
    strong = [c.column for c in listed if c.score >= 0.7] or [c.column for c in listed[:1]]
    levels = sorted(strong, key=lambda c: c.n_distinct)[:MAX_LEVELS]
    if not levels:
        return "", ""
    if len(levels) > 1:
        texts = [_named(looked, draft, roles, c, others, root)[0] for c in levels]
        return (
            f"concat_ws(' > ', {', '.join(texts)})",
            f"levels by number of values: {', '.join(c.name for c in levels)}",
        )
    column = levels[0]
    named, note = _named(looked, draft, roles, column, others, root)
    if named != column.sql:
        return named, note
    for pattern, separator in _SEPARATORS:
        share = sum(re.search(pattern, v) is not None for v in column.values) / max(len(column.values), 1)
        if share >= SEPARATED and separator != " > ":
            return f"replace({column.sql}, '{separator}', ' > ')", f"levels were separated by {separator.strip()}"
        if share >= SEPARATED:
            break
    return column.sql, ""


def _named(
    looked: Looked, draft: Draft, roles: TableRoles, column: SourceColumn, others: Sequence[TableRoles], root: Path
) -> tuple[str, str]:
    """Return the column, or the name that another table gives to its numbers, with a note."""
    if column.number is None or not normalise(column.name).endswith("id") or roles.table.database:
        return column.sql, ""
    join = find_key_join(looked, roles.table, column, others)
    names = [
        c for c in join.roles.table.columns if c is not join.key and c.number is None and c.values
    ] if join is not None else []  # fmt: skip
    if join is None or not names or join.roles.table.database:
        return column.sql, ""
    stem = re.sub(r"[^a-z0-9]+", "_", re.sub(r"_?id$", "", normalise(column.name))).strip("_") or "category"
    stem = stem if stem[0].isalpha() else f"c_{stem}"
    chosen = max(names, key=lambda c: c.n_distinct)
    draft.lookups[f"{stem}_of"] = {
        "path": one_path(join.roles.table, root), "key": join.key.sql, "value": chosen.sql,
    }  # fmt: skip
    return f"{stem}_of({column.sql})", f"names from {join.roles.table.name}"
