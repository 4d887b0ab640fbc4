"""Which columns of a table can hold the user, the item, the time and so on: names where the values agree."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.applications.advice.columns import SourceColumn, Table
from components.applications.advice.names import PATTERNS, is_about, normalise, score_role
from components.applications.advice.questions import Answers, Question
from components.applications.advice.values import TimeForm
from components.applications.advice.words import CANCELLED, REFUNDED, STATES, fold, kind_of_word

KEY_SHARE = 0.98  # of the rows that have a value of their own: the column is the table's key
NEAR = 0.15  # difference of scores within which two candidates cannot be told apart
MANY = 20  # distinct values from which a column without a speaking name may be a user or an item


@dataclass(frozen=True)
class RoleCandidate:
    """A column that may have a role, with what speaks for it in (0, 1.2]."""

    score: float
    column: SourceColumn


@dataclass
class TableRoles:
    """The roles of a table's columns."""

    table: Table
    candidates: dict[str, list[RoleCandidate]] = field(default_factory=dict)  # role -> best first
    time_forms: dict[str, TimeForm] = field(default_factory=dict)  # by column

    def best(self, role: str, at_least: float = 0.3) -> SourceColumn | None:
        """Return the column that most probably has the role; None where none has."""
        found = self.candidates.get(role, [])
        return found[0].column if found and found[0].score >= at_least else None

    def near(self, role: str, at_least: float = 0.3) -> list[SourceColumn]:
        """Return the columns that may have the role about as well as the best."""
        found = [c for c in self.candidates.get(role, []) if c.score >= at_least]
        return [c.column for c in found if c.score > found[0].score - NEAR]

    def is_key(self, column: SourceColumn) -> bool:
        """Return whether the rows have different values in the column."""
        return 0 < self.table.n_rows <= column.n_distinct / KEY_SHARE


def find_roles(table: Table, answers: Answers) -> TableRoles:
    """Return the candidates for every role in the table."""
    roles = TableRoles(table)
    _add_times(roles, answers)
    for column in table.columns:
        for role in PATTERNS:
            score = score_role(column.name.rpartition(".")[2] if "." in column.name else column.name, role)
            score = max(score, score_role(column.name, role))
            score *= _agrees(role, column, roles)
            if score > 0:
                roles.candidates.setdefault(role, []).append(RoleCandidate(score, column))
    for found in roles.candidates.values():
        found.sort(key=lambda c: -c.score)
    _settle(roles)
    return roles


def choose(
    roles: TableRoles, role: str, columns: list[SourceColumn], answers: Answers, what: str
) -> SourceColumn | None:
    """Return the column of a role; asks where several may have it. What they hold is told by the first values."""
    if len(columns) < 2:
        return columns[0] if columns else None
    listed = tuple((c.name, describe(c)) for c in columns)
    question = Question(f"{roles.table.name}.{role}", f"{roles.table.name}: which column is {what}?", listed)
    return roles.table.column(answers.choose(question))


def describe(column: SourceColumn) -> str:
    """Return how many different values a column has, and the first ones."""
    first = ", ".join(v[:24] for v in column.values[:3])
    return f"{column.n_distinct} different values in {column.n_values} rows, such as {first}"


def _add_times(roles: TableRoles, answers: Answers) -> None:
    """Find the columns that hold times; asks for the order of day and month where the values do not show it."""
    found = []
    for column in roles.table.columns:
        score = score_role(column.name, "time")
        form = column.time(score > 0)
        if form is None:
            continue
        if form.is_ambiguous:
            form = _decide_order(roles.table, column, answers)
        roles.time_forms[column.name] = form
        found.append(RoleCandidate((score or 0.5) + 0.02 * form.has_clock, column))
    roles.candidates["time"] = sorted(found, key=lambda c: -c.score)


def _decide_order(table: Table, column: SourceColumn, answers: Answers) -> TimeForm:
    """Return the form of times whose day and month may be either way, by the user's answer."""
    sample = column.values[0]
    wanted = (("dmy", f"{sample} has the day first"), ("mdy", f"{sample} has the month first"))
    question = Question(
        f"{table.name}.{column.name}", f"{table.name}: {column.name}: day and month in which order?", wanted
    )
    form = column.time(True, answers.choose(question))
    if form is None:
        raise AssertionError(f"{column.name} was a time without an order of day and month")
    return form


def _agrees(role: str, column: SourceColumn, roles: TableRoles) -> float:
    """Return how well the values agree with the role, in [0, 1]; 0: they cannot have it."""
    if not column.values:
        return 0.0
    number, is_time = column.number, column.name in roles.time_forms
    if role in ("user", "item", "order", "session", "clicked"):
        return float(column.is_id and not (is_time and score_role(column.name, "time") > 0.5))
    if role in ("quantity", "price", "total"):
        if number is None or is_time:
            return 0.0
        return 0.6 if role == "quantity" and not number.is_whole else 1.0
    if role == "rating":
        return float(number is not None and number.low >= 0 and number.high <= 10 and column.n_distinct <= 101)
    if role == "event":
        known = sum(n for v, n in zip(column.values, column.counts, strict=True) if kind_of_word(v))
        is_named = score_role(column.name, "event") == 1 and column.n_distinct <= MANY
        return float(column.n_distinct <= 60 and (known > 0 or is_named))
    if role == "status":
        words = {fold(v) for v in column.values}
        return float(column.n_distinct <= 40 and bool(words & {*CANCELLED, *REFUNDED, *STATES}))
    if role == "image":
        return float(any("." in v or "/" in v for v in column.values[:20]))
    if role == "language":
        return float(column.n_distinct <= 200 and max(map(len, column.values)) <= 16)
    if role in ("title", "text", "query", "description"):
        return 0.0 if number is not None or is_time else 1.0
    return 0.0 if is_time else 1.0


def _settle(roles: TableRoles) -> None:
    """Settle roles that compete for a column: a description that is short is the title, where there is no title."""
    title, description = roles.best("title", 0.5), roles.best("description")
    if title is None and description is not None and description.mean_words <= 12:
        roles.candidates["title"] = [RoleCandidate(0.8, description)]
        roles.candidates["description"] = []
    elif title is not None:
        roles.candidates["description"] = [c for c in roles.candidates.get("description", []) if c.column is not title]
    if roles.best("text") is not None and roles.best("rating") is not None:  # a review has a title of its own
        roles.candidates["title"] = [
            c for c in roles.candidates.get("title", []) if is_about(c.column.name, "product|item|article|商品|产品")
        ]
    described = roles.best("description")
    if not roles.candidates.get("category") and described is not None and _has_levels(described):
        roles.candidates["category"] = [RoleCandidate(0.7, described)]
        roles.candidates["description"] = []
    roles.candidates["category"] = [c for c in roles.candidates.get("category", []) if not _is_list_of_ids(c.column)]
    taken = {
        c.column.name for role in ("user", "item", "order") for c in roles.candidates.get(role, []) if c.score >= 0.7
    }
    for role in ("title", "brand", "category", "query", "text"):
        roles.candidates[role] = [c for c in roles.candidates.get(role, []) if c.column.name not in taken]
    totals = [c for c in roles.candidates.get("total", []) if not normalise(c.column.name).startswith("order_")]
    roles.candidates["total"] = totals


def _has_levels(column: SourceColumn) -> bool:
    return sum("|" in v for v in column.values) > 0.5 * len(column.values)


def _is_list_of_ids(column: SourceColumn) -> bool:
    return sum(v.startswith("[") and v[1:2].isdigit() for v in column.values[:50]) > 0.5 * len(column.values[:50])
