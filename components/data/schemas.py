"""The contract of each table: column types and named rules, used by the quarantine and by pandera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial, reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from components import ids
from components.contracts import EVENTS, TABLES
from components.data import timestamps
from components.data.sql import is_one_of
from components.params import PURPOSES
from components.privacy import consent

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir
    from pandera.ibis import DataFrameSchema

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
    is_written: bool = False  # by people, in sentences: personal data is masked
    is_id: bool = False  # cleaned and refused by the rules of components/ids.py
    is_levels: bool = False  # a list of texts is read as levels joined by " > "
    null_words: bool = True  # a word such as NULL stands for no value


def _is_free_of(pattern: str, column: Any) -> Any:
    return ~column.re_search(pattern)


def _one_of(values: tuple[str, ...]) -> Rule:
    return Rule(f"not one of {', '.join(values)}", lambda c: is_one_of(c, values))


_ID_RULES = (
    Rule(f"longer than {ids.MAX_LENGTH} characters", lambda c: c.length() <= ids.MAX_LENGTH),
    *(Rule(rule.name, partial(_is_free_of, rule.pattern)) for rule in ids.RULES),
)
_ID = Field("string", required=True, rules=_ID_RULES, is_id=True)
_ID_OR_NULL = Field("string", rules=_ID_RULES, is_id=True)
_TIME_RULES = (
    Rule(f"before {FIRST_TIME}", lambda c: c >= _timestamp(FIRST_TIME)),
    Rule(f"after {LAST_TIME}", lambda c: c < _timestamp(LAST_TIME)),
)
_TIME = Field("timestamp", required=True, rules=_TIME_RULES)
_FINITE = Rule("not finite", lambda c: ~(c.isnan() | c.isinf()))
_NOT_NEGATIVE = Rule("negative", lambda c: c >= 0)
_BOUNDED = Rule(f"above {MAX_NUMBER:.0e}", lambda c: c <= MAX_NUMBER)
_AMOUNT = Field("float64", rules=(_FINITE, _NOT_NEGATIVE, _BOUNDED))
_SINGLE = Rule(
    "list or record: write an expression in `columns` that selects one text, as in brand->>'name'",
    partial(_is_free_of, r"""^(?:\[\s*["'\[{]|\{\s*["']).*[\]}]$"""),
)
_TEXT = Field("string", text=True, rules=(_SINGLE,))
_WRITTEN = replace(_TEXT, is_written=True)
_CONSENT = Rule(
    f"neither a flag nor purposes of {', '.join(PURPOSES)}",
    lambda c: c.lower().re_search(consent.PATTERN) | (c == ""),
)

FIELDS: dict[str, dict[str, Field]] = {
    "products": {
        "item_id": _ID,
        "title": _WRITTEN,
        "description": _WRITTEN,
        "brand": _TEXT,
        "category": replace(_TEXT, is_levels=True),
        "price": _AMOUNT,
        "language": Field("string", rules=(Rule("longer than 16 characters", lambda c: c.length() <= 16),)),
        "image": _TEXT,
        "timestamp": Field("timestamp", rules=_TIME_RULES),
        "kind": Field("string", rules=(Rule("longer than 40 characters", lambda c: c.length() <= 40),)),
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
        "consent": Field("string", rules=(_CONSENT,), null_words=False),
    },
    "reviews": {
        "user_id": _ID,
        "item_id": _ID,
        "timestamp": _TIME,
        "rating": Field("float64", rules=(_FINITE, Rule("outside [1, 5]", lambda c: c.between(1, 5)))),
        "text": Field("string", text=True, is_written=True),
    },
    "searches": {
        "user_id": _ID_OR_NULL,
        "timestamp": _TIME,
        "query": Field("string", required=True, text=True, is_written=True, null_words=False),
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


def check_contract(rows: ibis.Table, table: str, anonymous_events: bool = False) -> None:
    """Raise pandera's error, which names the column, where a row breaks the contract of the table.

    pandera compiles and runs a query for each check; it is called only where one query, compiled once, finds a row that
    breaks a rule, or where the types differ.
    """
    import ibis

    if rows.schema() == _types(table, anonymous_events):
        broken = f"WITH checked AS ({ibis.to_sql(rows)}) SELECT count(*) FROM ({_broken_rows(table, anonymous_events)})"
        if not rows.get_backend().con.execute(broken).fetchone()[0]:
            return
    schema(table, anonymous_events).validate(rows)


def schema(table: str, anonymous_events: bool = False) -> DataFrameSchema:
    """Return the pandera schema of a table of the snapshot; validate with `lazy=True` to see all errors."""
    import pandera.ibis as pa

    columns = {}
    types = _types(table, anonymous_events)
    for name, field in fields(table, anonymous_events).items():
        checks = [pa.Check(partial(_check, name, field), name=", ".join(r.name for r in field.rules))]
        columns[name] = pa.Column(types[name], checks=checks if field.rules else [], nullable=not field.required)
    return pa.DataFrameSchema(columns, name=table, strict=True)


@cache
def _types(table: str, anonymous_events: bool) -> ibis.Schema:
    import ibis

    known = fields(table, anonymous_events).items()
    return ibis.schema({n: "timestamp(6)" if f.dtype == "timestamp" else f.dtype for n, f in known})


@cache
def _broken_rows(table: str, anonymous_events: bool) -> str:
    """Return SQL for the rows of the table `checked` that break a rule, at most one."""
    import ibis

    rows = ibis.table(_types(table, anonymous_events), name="checked")
    known = fields(table, anonymous_events).items()
    missing = [rows[name].isnull() for name, field in known if field.required]
    broken = [~_holds(rows[name], field) for name, field in known if field.rules]
    return str(ibis.to_sql(rows.filter(reduce(or_, [*missing, *broken])).limit(1), dialect="duckdb"))


def broken_rule(
    texts: Mapping[str, Any],
    values: Mapping[str, Any],
    fields: Mapping[str, Field],
    lost: Mapping[str, list[tuple[Any, str]]],
    words: Mapping[str, frozenset[str]],
) -> ir.StringValue:
    """Return an expression with the first rule that a row breaks, such as "price: negative", or null.

    texts:  the source's values under our column names, as conversion.to_text gives them; null where they are blank.
    values: the same values in the contract's types; where only this one is null, the value has the wrong type.
    lost:   conditions under which the source's type has not kept the value, as conversion.lost_value gives them.
    words:  texts that stand for no value in each column, in lower case.
    """
    import ibis

    rules = []
    for name, field in fields.items():
        text, value = texts[name], values[name]
        branches = [(condition, f"{name}: {rule}") for condition, rule in lost.get(name, [])]
        branches += _missing(name, field, text, value, words[name])
        checks = [(~rule.holds(value), f"{name}: {rule.name}") for rule in field.rules]
        if field.is_id:  # one search of each id, and the rules one by one only where it finds something
            longest, *others = checks
            found = ibis.ifelse(value.re_search(ids.SUSPECT), ibis.cases(*others), ibis.null("string"))
            branches += [longest, (value.notnull(), found)]
        else:
            branches += checks
        if branches:
            rules.append(ibis.cases(*branches, else_=ibis.null("string")))
    return ibis.coalesce(*rules)


def _missing(name: str, field: Field, text: Any, value: Any, words: frozenset[str]) -> list[tuple[Any, Any]]:
    """Return the branches for a value that is null after the cast."""
    import ibis

    is_text = text.type().is_string()
    is_word = is_one_of(text.lower(), words) if is_text else ibis.literal(False)
    branches: list[tuple[Any, Any]] = []
    if field.dtype != "string":
        reason = timestamps.problem(text) if field.dtype == "timestamp" and is_text else f"not a {field.dtype}"
        branches.append((value.isnull() & text.notnull() & ~is_word, ibis.literal(f"{name}: ") + reason))
    if field.required:
        if is_text:
            stands_for_none = ibis.literal(f'{name}: missing ("') + text + '" stands for no value)'
            branches.append((value.isnull() & text.notnull(), stands_for_none))
        branches.append((value.isnull(), f"{name}: missing"))
    return branches


def _check(name: str, field: Field, data: Any) -> Any:
    return _holds(data.table[name], field)


def _holds(column: Any, field: Field) -> Any:
    """Return whether a value breaks no rule of its field; null breaks none."""
    return reduce(and_, (rule.holds(column) for rule in field.rules)).fill_null(True)


def _timestamp(text: str) -> Any:
    import ibis

    return ibis.timestamp(text)
