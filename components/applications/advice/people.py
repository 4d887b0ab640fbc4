"""Who did it and when: the user and the time of a line, in the line itself or in the order that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.applications.advice.columns import Looked, SourceColumn
from components.applications.advice.draft import Draft, one_path
from components.applications.advice.joins import Join, find_key_join, is_one_to_one
from components.applications.advice.names import normalise
from components.applications.advice.questions import Answers
from components.applications.advice.roles import MANY, TableRoles, choose
from components.applications.advice.values import TimeForm
from components.data.sql import quote_name

OWN_TIME = 0.5  # score of a time of the line from which that of its order is not looked for
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")


@dataclass
class Person:
    """SQL for the user, the time and the state of a row, each with a note; "" where there is none."""

    user: str = ""
    user_note: str = ""
    user_column: SourceColumn | None = None
    time: str = ""
    time_note: str = ""
    status: SourceColumn | None = None
    status_sql: str = ""
    query: str = ""  # of a database, with the order joined

    @property
    def joined(self) -> dict[str, str]:
        """Return the query for a source whose rows need their order beside them."""
        return {"query": self.query} if self.query else {}


def find_person(
    looked: Looked,
    draft: Draft,
    roles: TableRoles,
    item: SourceColumn | None,
    others: Sequence[TableRoles],
    answers: Answers,
    root: Path,
) -> Person:
    """Return where user and time of the rows come from; fields stay empty where they are nowhere."""
    person = Person()
    order = roles.best("order", 0.7)
    join = find_key_join(looked, roles.table, order, others) if order is not None else None
    user = choose_user(looked, roles, item, answers)
    time = roles.candidates.get("time", [])
    status = roles.best("status", 0.5)
    if user is not None:
        person.user, person.user_column = _user_sql(user), user
    if time and (time[0].score >= OWN_TIME or join is None):
        person.time, person.time_note = time_sql(roles, time[0].column)
    if status is not None:
        person.status, person.status_sql = status, status.sql
    if join is not None:
        _take_from_order(looked, draft, roles, person, join, others, answers, root)
    if not person.user and (session := roles.best("session", 0.5)) is not None:
        person.user, person.user_column = session.sql, session
        person.user_note = "no column names a user: each session counts as one"
    return person


def choose_user(looked: Looked, roles: TableRoles, item: SourceColumn | None, answers: Answers) -> SourceColumn | None:
    """Return the column of the user; asks where several columns may be it and do not always come together."""
    found = [c for c in roles.near("user") if item is None or c is not item]
    if not found:
        return _by_values(roles, item, answers)
    distinct = [found[0], *(c for c in found[1:] if not is_one_to_one(looked, roles.table, found[0], c))]
    return choose(roles, "user", distinct, answers, "the user whom lists are made for")


def time_sql(roles: TableRoles, column: SourceColumn) -> tuple[str, str]:
    """Return the expression for a time, and a note; a day and a time of day in two columns are put together."""
    form = roles.time_forms[column.name]
    clock = next((c for c in roles.table.columns if not form.has_clock and _is_clock(c)), None)
    if clock is not None and form.name in ("plain", "day", "chinese", "month name"):
        text = f"{column.sql} || ' ' || {clock.sql}"
        seconds = "%H:%M:%S" if any(v.count(":") == 2 for v in clock.values) else "%H:%M"
        joined = TimeForm(form.name, tuple(f"{f} {seconds}" for f in form.formats), form.order)
        return joined.expression(text), f"day and time of day are joined{_order_note(form)}"
    note = "days without a time of day" if not form.has_clock else "without a zone in the values, times are read as UTC"
    return form.expression(column.sql), note + _order_note(form)


def _take_from_order(
    looked: Looked,
    draft: Draft,
    roles: TableRoles,
    person: Person,
    join: Join,
    others: Sequence[TableRoles],
    answers: Answers,
    root: Path,
) -> None:
    """Take user, time and state from the table of orders, as lookups or as a join in the database's query."""
    orders, wanted = join.roles, dict[str, str]()
    user = choose_user(looked, orders, join.key, answers) if not person.user else None
    if user is not None:
        person.user_column, wanted["user"] = user, _user_sql(user)
    time = orders.candidates.get("time", [])
    if not person.time and time:
        wanted["time"], person.time_note = time_sql(orders, time[0].column)
    status = orders.best("status", 0.5)
    if status is not None and person.status is None:
        person.status, wanted["status"] = status, status.sql
    if roles.table.database:
        if wanted:
            person.query = _joined_query(roles, join, wanted)
            for role in wanted:
                setattr(person, "status_sql" if role == "status" else role, f"order_{role}")
        return
    for role, value in wanted.items():
        draft.lookups[f"order_{role}_of"] = {"path": one_path(orders.table, root), "key": join.key.sql, "value": value}
        setattr(person, "status_sql" if role == "status" else role, f"order_{role}_of({join.column.sql})")
    if user is not None and orders.is_key(user):
        _follow_user(looked, draft, person, orders, user, others, root)


def _follow_user(
    looked: Looked,
    draft: Draft,
    person: Person,
    orders: TableRoles,
    user: SourceColumn,
    others: Sequence[TableRoles],
    root: Path,
) -> None:
    """Where each order has a user of its own, take the column of another table by which users come again."""
    join = find_key_join(looked, orders.table, user, others)
    if join is None:
        return
    again = [c for c in join.roles.near("user") if c is not join.key and not join.roles.is_key(c)]
    if again:
        draft.lookups["person_of"] = {
            "path": one_path(join.roles.table, root), "key": join.key.sql, "value": again[0].sql,
        }  # fmt: skip
        person.user, person.user_column = f"person_of({person.user})", again[0]
        person.user_note = f"{user.name} is new with each order; {again[0].name} of {join.roles.table.name} comes again"


def _joined_query(roles: TableRoles, join: Join, wanted: dict[str, str]) -> str:
    """Return the query of a database's lines with the values of their order."""
    texts = [f"o.{sql} AS order_{role}" for role, sql in wanted.items()]
    lines = roles.table.database["query"].removeprefix("SELECT * FROM ")
    orders = join.roles.table.database["query"].removeprefix("SELECT * FROM ")
    return (
        f"SELECT l.*, {', '.join(texts)} FROM {lines} l LEFT JOIN {orders} o "
        f"ON l.{quote_name(join.column.name)} = o.{quote_name(join.key.name)}"
    )


def _by_values(roles: TableRoles, item: SourceColumn | None, answers: Answers) -> SourceColumn | None:
    """Return the only column that can be a user by its values; asks where several can."""
    named = {
        c.column.name for role, found in roles.candidates.items() for c in found if role != "user" and c.score >= 0.6
    }
    found = [
        c
        for c in roles.table.columns
        if c.is_id and c is not item and c.name not in named and MANY <= c.n_distinct < 0.9 * c.n_values
    ]
    if roles.best("order", 0.7) is not None or roles.best("session", 0.5) is not None:
        return None  # the order or the session leads to the user
    return choose(roles, "user", found, answers, "the user whom lists are made for")


def _user_sql(column: SourceColumn) -> str:
    """Return the user's id; addresses are hashed, so that no model and no file of ours holds one."""
    is_address = sum("@" in v for v in column.values) > 0.5 * len(column.values)
    return f"sha256(lower(trim({column.sql})))" if is_address else column.sql


def _is_clock(column: SourceColumn) -> bool:
    return bool(column.values) and "time" in normalise(column.name) + "time" * ("时间" in column.name) and all(
        _CLOCK.fullmatch(v) for v in column.values
    )  # fmt: skip


def _order_note(form: TimeForm) -> str:
    return {"dmy": "; the day comes first", "mdy": "; the month comes first"}.get(form.order, "")
