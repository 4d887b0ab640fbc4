"""Events, reviews and searches of an overlay from the lines of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.applications.advice.columns import Looked, SourceColumn
from components.applications.advice.draft import Draft, SourceDraft, starts
from components.applications.advice.names import normalise
from components.applications.advice.people import Person
from components.applications.advice.questions import Answers, Question
from components.applications.advice.roles import TableRoles
from components.applications.advice.values import compare_words
from components.applications.advice.words import CANCELLED, LEFT_OUT, REFUNDED, fold, kind_of_file, kind_of_word
from components.contracts import EVENTS

RARE = 0.01  # share of the rows up to which an unknown word is left out without a question
LEAVE_OUT = "none"  # answer: rows with this word are left out


@dataclass
class Kind:
    """SQL for the kind of event of a row, and the conditions under which the row is one."""

    sql: str
    note: str
    where: list[str]
    kinds: set[str]  # that occur


def map_events(
    looked: Looked, draft: Draft, roles: TableRoles, item: SourceColumn, person: Person, answers: Answers, root: Path
) -> list[SourceDraft]:
    """Add the table's rows as events; return the sources."""
    kind = find_kind(roles, person, answers, draft)
    added = []
    for start in starts(roles.table, root):
        found = SourceDraft("events", start | person.joined, where=list(kind.where), seen=roles.table.names)
        if person.user:
            found.set("user_id", person.user, person.user_note)
        found.set("item_id", item.sql)
        found.set("timestamp", person.time, person.time_note)
        found.set("event", kind.sql, kind.note)
        _add_amounts(found, roles)
        _add_session(found, roles)
        added.append(found)
    draft.sources += added
    return added


def map_reviews(
    draft: Draft, roles: TableRoles, item: SourceColumn, person: Person, rating: SourceColumn, root: Path
) -> None:
    """Add the table's rows as reviews."""
    for start in starts(roles.table, root):
        found = SourceDraft("reviews", start | person.joined, seen=roles.table.names)
        found.set("user_id", person.user, person.user_note)
        found.set("item_id", item.sql)
        found.set("timestamp", person.time)
        high = rating.number.high if rating.number else 5
        if high > 5:
            found.set(
                "rating",
                f"greatest(1, TRY_CAST({rating.sql} AS DOUBLE) * 5 / {high:g})",
                f"from a scale up to {high:g}",
            )
        else:
            found.set(
                "rating",
                f"greatest(1, TRY_CAST({rating.sql} AS DOUBLE))"
                if rating.number and rating.number.low < 1
                else rating.sql,
            )
        text = roles.best("text")
        if text is not None:
            found.set("text", text.sql)
        draft.sources.append(found)


def map_searches(draft: Draft, roles: TableRoles, query: SourceColumn, person: Person, root: Path) -> None:
    """Add the table's rows as searches."""
    clicked = roles.best("clicked", 0.5) or roles.best("item", 0.7)
    for start in starts(roles.table, root):
        found = SourceDraft("searches", start, seen=roles.table.names)
        if person.user:
            found.set("user_id", person.user, person.user_note)
        found.set("timestamp", person.time, person.time_note)
        found.set("query", query.sql)
        if clicked is not None:
            found.set("clicked_item_id", clicked.sql)
        found.where.append(f"{query.sql} IS NOT NULL")
        draft.sources.append(found)


def find_kind(roles: TableRoles, person: Person, answers: Answers, draft: Draft) -> Kind:
    """Return how a row's kind of event is known: by a column of words, by the sign of its quantity, or by the file."""
    event = roles.best("event", 0.4)
    quantity = roles.best("quantity", 0.5)
    if event is not None:
        kind = _by_words(roles, event, answers)
    else:
        named = kind_of_file(Path(roles.table.name).name) or kind_of_file(roles.table.name.rpartition(":")[2])
        base = named or "purchase"
        note = f"every row counts as a {base}" + (
            "" if named else ": nothing says what the rows are; correct it where they are not"
        )
        kind = Kind(f"'{base}'", note, [], {base})
    if person.status is not None and event is None:
        _add_status(kind, person, draft)
    is_signed = quantity is not None and quantity.number is not None and quantity.number.negative_share > 0
    if is_signed and quantity is not None and "purchase" in kind.kinds and event is None:
        number = quantity.number.expression(quantity.sql) if quantity.number else quantity.sql
        kind.sql = f"CASE WHEN {number} < 0 THEN 'return' ELSE {kind.sql} END"
        kind.note = f"a negative {quantity.name} is a return ({_negative_share(quantity):.1%} of the rows)"
        kind.kinds.add("return")
    return kind


def _negative_share(column: SourceColumn) -> float:
    """Return the share of the rows with a negative number."""
    negative = sum(n for v, n in zip(column.values, column.counts, strict=True) if v.lstrip("$£€¥").startswith("-"))
    return negative / max(sum(column.counts), 1)


def _by_words(roles: TableRoles, event: SourceColumn, answers: Answers) -> Kind:
    """Map the words of a column to kinds of events; asks about words that are frequent and unknown."""
    chosen: dict[str, list[str]] = {}
    total, left = max(sum(event.counts), 1), []
    for word, n in sorted(zip(event.values, event.counts, strict=True), key=lambda pair: (-pair[1], pair[0])):
        kind = kind_of_word(word)
        if kind is None and fold(word) not in LEFT_OUT and n / total > RARE:
            listed = tuple((k, f"{n} of {total} rows have {word}") for k in (*EVENTS, LEAVE_OUT))
            question = Question(f"{roles.table.name}.{event.name}.{word}", f"{event.name}: what is {word!r}?", listed)
            answer = answers.choose(question)
            kind = None if answer == LEAVE_OUT else answer
        if kind is None:
            left.append(word)
        else:
            chosen.setdefault(kind, []).append(word)
    branches = [
        f"WHEN {compare_words(event.sql, [w.strip().lower() for w in words])} THEN '{kind}'"
        for kind, words in chosen.items()
    ]
    known = dict.fromkeys(w.strip().lower() for words in chosen.values() for w in words)
    note = f"left out: {', '.join(left[:8])}" if left else ""
    where = [compare_words(event.sql, list(known))] if left else []
    return Kind(f"CASE {' '.join(branches)} END", note, where, set(chosen))


def _add_status(kind: Kind, person: Person, draft: Draft) -> None:
    """Leave out rows of cancelled orders; those of refunded ones are returns."""
    status = person.status
    if status is None:
        return
    words = {v.strip().lower(): n for v, n in zip(status.values, status.counts, strict=True)}
    gone = [w for w in words if fold(w) in CANCELLED]
    back = [w for w in words if fold(w) in REFUNDED]
    if gone:
        kind.where.append(f"coalesce(NOT {compare_words(person.status_sql, gone)}, true)")
        others = ", ".join(sorted(set(words) - set(gone))[:8])
        draft.checks.append(f"{status.name}: rows with {', '.join(gone)} are left out; others are {others}")
    if back:
        kind.sql = f"CASE WHEN {compare_words(person.status_sql, back)} THEN 'return' ELSE {kind.sql} END"
        kind.note = f"{status.name} {', '.join(back)} is a return"
        kind.kinds.add("return")


def _add_amounts(found: SourceDraft, roles: TableRoles) -> None:
    """Map quantity and price; of a total of the line, the price is its share."""
    quantity, price, total = roles.best("quantity", 0.5), roles.best("price", 0.4), roles.best("total", 0.5)
    number = quantity.number.expression(quantity.sql) if quantity is not None and quantity.number else ""
    if quantity is not None and quantity.number is not None:
        is_signed = quantity.number.negative_share > 0
        found.set("quantity", f"abs({number})" if is_signed else quantity.sql if quantity.number.is_plain else number)
    if price is not None and price.number is not None:
        plain = price.sql if price.number.is_plain and price.number.low >= 0 else ""
        found.set("price", plain or f"abs({price.number.expression(price.sql)})")
    elif total is not None and total.number is not None:
        sql = total.number.expression(total.sql)
        each = f"abs({sql} / nullif({number}, 0))" if number else f"abs({sql})"
        found.set("price", each, f"{total.name} is read as the total of the line" if number else f"from {total.name}")


def _add_session(found: SourceDraft, roles: TableRoles) -> None:
    column = roles.best("session", 0.5) or roles.best("order", 0.7)
    if column is not None:
        found.set("session_id", column.sql, "" if "session" in normalise(column.name) else "the order or basket")


def derive_products(draft: Draft, events: Sequence[SourceDraft], roles: TableRoles) -> list[SourceDraft]:
    """Return sources of products made of the lines: the newest line of a product gives its texts and price."""
    added = []
    quantity, price = roles.best("quantity", 0.5), roles.best("price", 0.4)
    for event in events:
        found = SourceDraft("products", dict(event.source), seen=event.seen)
        found.set("item_id", event.columns["item_id"])
        found.set("timestamp", event.columns["timestamp"], "the newest line of a product before the run counts")
        for column in (quantity, price):
            if column is not None and column.number is not None and column.number.low <= 0:
                found.where.append(f"{column.number.expression(column.sql)} > 0")
        found.about.append("there is no table of products: each line describes its product")
        added.append(found)
    draft.sources = [*added, *draft.sources]
    return added


def derive_products_of_unknown(draft: Draft, share: float) -> None:
    """Add products that only events name, where no table of products has them."""
    for event in draft.of("events"):
        found = SourceDraft("products", dict(event.source), where=list(event.where), seen=event.seen)
        found.set("item_id", event.columns["item_id"])
        found.set("timestamp", event.columns["timestamp"])
        found.about.append(
            f"{share:.0%} of the events name a product that the tables of products lack: it has no title here"
        )
        draft.sources.append(found)
