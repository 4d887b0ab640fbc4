"""From the tables that were found to the draft of an overlay: what is a product, an event, a review, a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.applications.advice.columns import Looked, SourceColumn
from components.applications.advice.draft import Draft, silence
from components.applications.advice.events import derive_products, map_events, map_reviews, map_searches
from components.applications.advice.joins import Join, find_products, is_one_to_one
from components.applications.advice.people import Person, find_person
from components.applications.advice.products import map_item_columns, map_products
from components.applications.advice.questions import Answers
from components.applications.advice.roles import TableRoles, choose, find_roles
from components.errors import ContractError


def infer(looked: Looked, answers: Answers, root: Path) -> Draft:
    """Return the draft; raises ContractError where the tables hold no events of users with products and times."""
    roles = _without_outer([find_roles(table, answers) for table in looked.tables if table.n_rows])
    draft = Draft()
    draft.not_used += [str(n) for n in looked.not_read]
    searches = [r for r in roles if _is_search(r)]
    lines = [r for r in roles if r not in searches and r.candidates.get("item") and _has_order_or_time(r)]
    products = find_products(looked, lines, roles)
    catalogues = {join.roles.table.view for join in products.values()}
    used = {r.table.view for r in searches} | catalogues
    reviews: list[Line] = []
    events: list[Line] = []
    for of in lines:
        if of.table.view in catalogues or (products and of.table.view not in products):
            continue
        found = _line(looked, draft, of, products.get(of.table.view), roles, answers, root)
        if found is not None:
            used.add(of.table.view)
            (reviews if _is_review(of) else events).append((of, *found))
    if not events and not reviews:
        raise ContractError(_explain(roles))
    _add_lines(looked, draft, events, reviews, products, roles, answers, root)
    for of in searches:
        person = find_person(looked, draft, of, None, roles, answers, root)
        query = of.best("query", 0.5)
        if query is not None and person.time:
            map_searches(draft, of, query, person, root)
    used |= _looked_up(draft, roles)
    draft.not_used += [
        f"{r.table.name}: nothing of it is needed or understood" for r in roles if r.table.view not in used
    ]
    answers.check()
    silence(draft)
    return draft


Line = tuple[TableRoles, SourceColumn, Person]


def _add_lines(
    looked: Looked,
    draft: Draft,
    events: list[Line],
    reviews: list[Line],
    products: dict[str, Join],
    roles: Sequence[TableRoles],
    answers: Answers,
    root: Path,
) -> None:
    """Add products, events and reviews; without other events, a review is the purchase that it follows."""
    joins = {join.roles.table.view: join for join in products.values()}
    for join in joins.values():
        map_products(looked, draft, join.roles, join.key, roles, root)
    for of, item, person in [*events, *([] if events else reviews)]:
        added = map_events(looked, draft, of, item, person, answers, root)
        if of.table.view not in products:
            for found in derive_products(draft, added, of):
                map_item_columns(looked, draft, found, of, roles, root, (item,))
    for of, item, person in reviews:
        rating = of.best("rating", 0.5)
        if rating is not None and person.user:
            map_reviews(draft, of, item, person, rating, root)


def _line(
    looked: Looked,
    draft: Draft,
    of: TableRoles,
    join: Join | None,
    roles: Sequence[TableRoles],
    answers: Answers,
    root: Path,
) -> tuple[SourceColumn, Person] | None:
    """Return item, user and time of a table of lines; None where it has not all of them."""
    item = join.column if join is not None else _choose_item(looked, of, answers)
    if item is None:
        return None
    person = find_person(looked, draft, of, item, roles, answers, root)
    return (item, person) if person.user and person.time else None


def _choose_item(looked: Looked, of: TableRoles, answers: Answers) -> SourceColumn | None:
    """Return the column of the product where no table of products tells it."""
    users = {c.name for c in of.near("user", 0.5)}
    found = [c for c in of.near("item", 0.2) if c.name not in users]
    distinct = [*found[:1], *(c for c in found[1:] if not is_one_to_one(looked, of.table, found[0], c))]
    return choose(of, "item", distinct, answers, "the product that is recommended")


def _without_outer(roles: list[TableRoles]) -> list[TableRoles]:
    """Leave out, of a JSON file with a list of records, either the file's own rows or those of its list."""
    chosen: list[TableRoles] = []
    for of in roles:
        same = [r for r in roles if r.table.paths == of.table.paths and r.table.paths and r is not of]
        inner = [r for r in same if r.table.each and _has_item(r, inside=True)]
        if of.table.each is None and any(not _has_item(of, inside=False) for _ in inner):
            continue
        if of.table.each is not None and not (_has_item(of, inside=True) and _outer_has_no_item(of, same)):
            continue
        chosen.append(of)
    return chosen


def _outer_has_no_item(of: TableRoles, same: list[TableRoles]) -> bool:
    return all(not _has_item(r, inside=False) for r in same if r.table.each is None)


def _has_item(of: TableRoles, inside: bool) -> bool:
    """Return whether a column is a product by its name; inside: of the list's records alone."""
    return any(
        c.score >= 0.5 and (not inside or c.column.sql.startswith("each")) for c in of.candidates.get("item", [])
    )


def _is_search(of: TableRoles) -> bool:
    query = of.best("query", 0.5)
    return (
        query is not None
        and bool(of.candidates.get("time"))
        and of.best("event", 0.5) is None
        and not of.best("quantity", 0.5)
    )


def _is_review(of: TableRoles) -> bool:
    """Return whether the rows are ratings, and nothing says that they are sales or other events."""
    is_other = any(of.best(role, 0.5) is not None for role in ("quantity", "event", "order", "session"))
    return of.best("rating", 0.5) is not None and not is_other


def _has_order_or_time(of: TableRoles) -> bool:
    return of.best("order", 0.7) is not None or bool(of.candidates.get("time"))


def _looked_up(draft: Draft, roles: Sequence[TableRoles]) -> set[str]:
    paths = {lookup["path"] for lookup in draft.lookups.values()}
    queries = " ".join(str(s.source.get("query", "")) for s in draft.sources)
    return {
        r.table.view
        for r in roles
        if paths & set(r.table.paths) or (r.table.database and r.table.name.rpartition(":")[2] in queries)
    }


def _explain(roles: Sequence[TableRoles]) -> str:
    """Return what was looked for and what the tables have."""
    said = [
        "expected a table whose rows name a user, a product and a time (or an order that another table has with "
        "user and time); found none. Seen:"
    ]
    for of in roles:
        have = {role: of.best(role) for role in ("user", "item", "order", "session")}
        known = [f"{role} {column.name}" for role, column in have.items() if column is not None]
        times = [c.column.name for c in of.candidates.get("time", [])]
        columns = ", ".join(c.name for c in of.table.columns[:20])
        said.append(
            f"  {of.table.name}: {', '.join(known) or 'no user, product or order'}; "
            f"{f'time {times[0]}' if times else 'no column that holds times'}; columns {columns}"
        )
    said.append("rename the columns (user_id, item_id, timestamp), or write the overlay by hand: docs/your-shop.md")
    return "\n".join(said)
