"""The contract of each table: column types and named rules, used by the quarantine and by pandera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from components.contracts import EVENTS, TABLES

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pandera.ibis import DataFrameSchema

MAX_ID = 256  # characters
MAX_NUMBER = 1e9
FIRST_TIME, LAST_TIME = "1990-01-01", "2100-01-01"


@dataclass(frozen=True)
class Rule:
    """A named condition that each value must satisfy; for null values only `Field.required` counts."""

    name: str
    holds: Callable[[Any], Any]  # ibis column -> ibis boolean


@dataclass(frozen=True)
class Field:
    """One column: its Ibis type, whether a value is required, and its rules."""

    dtype: str  # "string", "float64", "int64" or "timestamp"
    required: bool = False
    rules: tuple[Rule, ...] = ()
    text: bool = False  # free text: control characters become blanks, and it is cut to data.max_text_chars


def _one_of(values: tuple[str, ...]) -> Rule:
    return Rule(f"not one of {', '.join(values)}", lambda c: c.isin(values))


_ID_RULES = (
    Rule(f"longer than {MAX_ID} characters", lambda c: c.length() <= MAX_ID),
    Rule("control character", lambda c: ~c.re_search(r"[\x00-\x1f\x7f]")),
)
_ID = Field("string", required=True, rules=_ID_RULES)
_ID_OR_NULL = Field("string", rules=_ID_RULES)
_TIME_RULES = (
    Rule(f"before {FIRST_TIME}", lambda c: c >= _timestamp(FIRST_TIME)),
    Rule(f"after {LAST_TIME}", lambda c: c < _timestamp(LAST_TIME)),
)
_TIME = Field("timestamp", required=True, rules=_TIME_RULES)
_FINITE = Rule("not finite", lambda c: ~(c.isnan() | c.isinf()))
_NOT_NEGATIVE = Rule("negative", lambda c: c >= 0)
_BOUNDED = Rule(f"above {MAX_NUMBER:.0e}", lambda c: c <= MAX_NUMBER)
_AMOUNT = Field("float64", rules=(_FINITE, _NOT_NEGATIVE, _BOUNDED))
_TEXT = Field("string", text=True)

FIELDS: dict[str, dict[str, Field]] = {
    "products": {
        "item_id": _ID,
        "title": _TEXT,
        "description": _TEXT,
        "brand": _TEXT,
        "category": _TEXT,
        "price": _AMOUNT,
        "language": Field("string", rules=(Rule("longer than 16 characters", lambda c: c.length() <= 16),)),
        "image": _TEXT,
        "timestamp": Field("timestamp", rules=_TIME_RULES),
    },
    "events": {
        "user_id": _ID,
        "item_id": _ID,
        "timestamp": _TIME,
        "event": Field("string", required=True, rules=(_one_of(EVENTS),)),
        "quantity": _AMOUNT,
        "price": _AMOUNT,
        "session_id": _ID_OR_NULL,
        "position": Field("int64", rules=(_NOT_NEGATIVE, _BOUNDED)),
        "propensity": Field("float64", rules=(_FINITE, Rule("outside (0, 1]", lambda c: (c > 0) & (c <= 1)))),
    },
    "reviews": {
        "user_id": _ID,
        "item_id": _ID,
        "timestamp": _TIME,
        "rating": Field("float64", rules=(_FINITE, Rule("outside [1, 5]", lambda c: c.between(1, 5)))),
        "text": _TEXT,
    },
    "searches": {
        "user_id": _ID_OR_NULL,
        "timestamp": _TIME,
        "query": Field("string", required=True, text=True),
        "clicked_item_id": _ID_OR_NULL,
    },
    "social": {"user_id": _ID, "timestamp": _TIME, "action": _ID, "other_id": _ID_OR_NULL},
}
REFERENCES = {"events": "item_id", "reviews": "item_id", "searches": "clicked_item_id"}  # -> products.item_id


def fields(table: str, anonymous_events: bool) -> dict[str, Field]:
    """Return the fields of a table in contract order; user_id of events may be null if `anonymous_events`."""
    chosen = {name: FIELDS[table][name] for name in TABLES[table]}
    if table == "events" and anonymous_events:
        chosen["user_id"] = _ID_OR_NULL
    return chosen


def schema(table: str, anonymous_events: bool = False) -> DataFrameSchema:
    """Return the pandera schema of a table of the snapshot; validate with `lazy=True` to see all errors."""
    import ibis.expr.datatypes as dt
    import pandera.ibis as pa

    columns = {}
    for name, field in fields(table, anonymous_events).items():
        checks = [pa.Check(_all_hold(field.rules), name=", ".join(r.name for r in field.rules))] if field.rules else []
        dtype = dt.dtype("timestamp(6)" if field.dtype == "timestamp" else field.dtype)
        columns[name] = pa.Column(dtype, checks=checks, nullable=not field.required)
    return pa.DataFrameSchema(columns, name=table, strict=True)


def broken_rule(
    raw: Mapping[str, Any], values: Mapping[str, Any], table: str, anonymous_events: bool
) -> ir.StringValue:
    """Return an expression with the first rule that a row breaks, such as "price: negative", or null.

    raw:    the source's values under our column names, before any cast; null where they are blank.
    values: the same values after the cast; where only this one is null, the value has the wrong type.
    """
    import ibis

    branches: list[tuple[Any, str]] = []
    for name, field in fields(table, anonymous_events).items():
        value = values[name]
        if field.dtype != "string":
            branches.append((value.isnull() & raw[name].notnull(), f"{name}: not a {field.dtype}"))
        if field.required:
            branches.append((value.isnull(), f"{name}: missing"))
        branches += [(~rule.holds(value), f"{name}: {rule.name}") for rule in field.rules]
    return ibis.cases(*branches, else_=ibis.null("string"))


def _all_hold(rules: tuple[Rule, ...]) -> Callable[[Any], Any]:
    """Return one check for all rules of a column, since pandera runs a query for each check."""
    return lambda data: reduce(and_, (rule.holds(data.table[data.key]) for rule in rules))


def _timestamp(text: str) -> Any:
    import ibis

    return ibis.timestamp(text)
