"""The rules of the quarantine and the contract that pandera checks are the same."""

from typing import Any

import ibis
import pandera.errors
import pytest

from components.contracts import TABLES
from components.data.schemas import broken_rule, check_contract, fields, schema
from components.ids import NULL_WORDS

GOOD: dict[str, Any] = {
    "user_id": "u", "item_id": "i", "timestamp": "2026-01-01", "event": "view", "quantity": 1.0, "price": 2.0,
    "session_id": "s", "position": 1, "propensity": 0.5, "consent": None,
}  # fmt: skip
BREAK = [
    ("user_id", "u\n", "user_id: control character"),
    ("user_id", None, "user_id: missing"),
    ("event", "wish", "event: not one of view, cart, purchase, return, impression, click"),
    ("price", -1.0, "price: negative"),
    ("price", float("nan"), "price: not finite"),
    ("quantity", 2e9, "quantity: above 1e+09"),
    ("timestamp", "1989-12-31", "timestamp: before 1990-01-01"),
    ("timestamp", "2100-01-01", "timestamp: after 2100-01-01"),
    ("position", -1, "position: negative"),
    ("propensity", 0.0, "propensity: outside (0, 1]"),
]


def events(**changes: Any) -> ibis.Table:
    known = fields("events", False)
    types = {n: "timestamp(6)" if f.dtype == "timestamp" else f.dtype for n, f in known.items()}
    row = {**GOOD, **changes}
    backend = ibis.duckdb.connect()
    values = ", ".join(f"${n + 1}" for n in range(len(types)))
    names = {"string": "VARCHAR", "float64": "DOUBLE", "int64": "BIGINT", "timestamp(6)": "TIMESTAMP"}
    backend.con.execute(f"CREATE TABLE e ({', '.join(f'{n} {names[t]}' for n, t in types.items())})")
    backend.con.execute(f"INSERT INTO e VALUES ({values})", [row[n] for n in types])
    return backend.table("e")


def rule_of(rows: ibis.Table) -> str | None:
    values = {n: rows[n] for n in TABLES["events"]}
    words = dict.fromkeys(values, NULL_WORDS)
    rule = broken_rule(values, values, fields("events", False), {}, words)
    found = rows.select(rule=rule).to_pyarrow()["rule"].to_pylist()
    return found[0]


def test_a_valid_row_breaks_no_rule() -> None:
    assert rule_of(events()) is None
    check_contract(events(), "events")
    schema("events").validate(events())


@pytest.mark.parametrize(("column", "value", "rule"), BREAK, ids=[r for _, _, r in BREAK])
def test_pandera_refuses_what_breaks_a_rule(column: str, value: Any, rule: str) -> None:
    rows = events(**{column: value})
    assert rule_of(rows) == rule
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        schema("events").validate(rows)
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors), match=column):
        check_contract(rows, "events")


def test_pandera_refuses_other_types() -> None:
    rows = events()
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors), match="price"):
        check_contract(rows.mutate(price=rows.price.cast("string")), "events")


def test_anonymous_events_may_lack_a_user() -> None:
    check_contract(events(user_id=None), "events", anonymous_events=True)
    assert not fields("events", True)["user_id"].required


def test_every_column_of_the_contract_has_a_field() -> None:
    assert all(tuple(fields(table, False)) == columns for table, columns in TABLES.items())
