"""Values are cast from common notations, and each row gets one state."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import ibis
import pytest

from components.contracts import EVENT_COLUMNS, TABLES
from components.data.conversion import register_functions
from components.data.validation import AFTER_AS_OF, FILTERED, INVALID, VALID, empty_sql, validated_sql

Validate = Callable[..., dict[str, Any]]
EVENT = {"user_id": "u", "item_id": "i", "timestamp": "2026-01-01", "event": "view"}


@pytest.fixture
def validate(settings: Callable[..., Any]) -> Validate:
    """Return a function that validates one row of strings and returns the staged row."""
    backend = ibis.duckdb.connect()
    register_functions(backend.con)
    backend.raw_sql("SET TimeZone = 'UTC'")

    def run(selected: bool = True, broken: str | None = None, **values: str | None) -> dict[str, Any]:
        names = EVENT_COLUMNS
        row = {**dict.fromkeys(names), **EVENT, **values}
        backend.con.execute(f"CREATE OR REPLACE TABLE e ({', '.join(f'{n} VARCHAR' for n in names)})")
        backend.con.execute(f"INSERT INTO e VALUES ({', '.join('?' * len(names))})", [row[n] for n in names])
        backend.con.execute("CREATE OR REPLACE TABLE b (_broken VARCHAR)")
        backend.con.execute("INSERT INTO b VALUES (?)", [broken])
        sql = (
            f"SELECT e.*, 0 AS _file, NULL::BIGINT AS _row, {selected} AS _selected, {{'user': user_id}} AS _raw, "
            "NULL::VARCHAR AS _line, _broken FROM e, b"
        )
        data = settings().data
        return backend.con.execute(validated_sql(backend, sql, "events", data)).to_arrow_table().to_pylist()[0]

    return run


def test_a_valid_row_is_stripped_of_blanks(validate: Validate) -> None:
    row = validate(user_id="  u ", price=" 2.5 ", quantity="3", position="4", session_id=" ", timestamp=" 2026-01-02 ")
    assert (row["user_id"], row["price"], row["quantity"], row["position"]) == ("u", 2.5, 3.0, 4)
    assert (row["session_id"], row["timestamp"]) == (None, datetime(2026, 1, 2))
    assert (row["_state"], row["_rule"], row["_raw"]) == (VALID, None, None)


@pytest.mark.parametrize(
    ("changes", "state", "rule"),
    [
        ({"timestamp": "2026-03-01"}, AFTER_AS_OF, None),
        ({"price": "x"}, INVALID, "price: not a float64"),
        ({"price": "x", "timestamp": "2026-03-01"}, INVALID, "price: not a float64"),
        ({"price": "x", "selected": False}, FILTERED, None),
        ({"broken": "line: not UTF-8"}, INVALID, "line: not UTF-8"),
        ({"price": "  "}, VALID, None),
    ],
)
def test_every_row_has_one_state(validate: Validate, changes: dict[str, Any], state: int, rule: str | None) -> None:
    row = validate(**changes)
    assert (row["_state"], row["_rule"]) == (state, rule)
    assert (row["_raw"] is not None) == (state == INVALID)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-01T10:00:00-05", 15),
        ("2026-01-01 10:00:00+0100", 9),
        ("2026-1-1 10:00", 10),
        ("2026-01-01T10:00:00Z", 10),
    ],
)
def test_time_zone_offsets_are_converted_to_utc(validate: Validate, text: str, hour: int) -> None:
    assert validate(timestamp=text)["timestamp"] == datetime(2026, 1, 1, hour)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_table_has_the_same_columns(table: str, settings: Callable[..., Any]) -> None:
    backend = ibis.duckdb.connect()
    register_functions(backend.con)
    source = ", ".join(f"NULL::VARCHAR AS {c}" for c in TABLES[table])
    source = (
        f"SELECT {source}, 0 AS _file, NULL::BIGINT AS _row, true AS _selected, {{'a': 0}} AS _raw, "
        "NULL::VARCHAR AS _line, NULL::VARCHAR AS _broken"
    )
    full = backend.con.execute(validated_sql(backend, source, table, settings().data)).to_arrow_table()
    assert backend.con.execute(empty_sql(table)).to_arrow_table().schema == full.schema


@pytest.mark.parametrize("absent", [frozenset({"price", "position", "consent"}), frozenset({"user_id", "timestamp"})])
def test_absent_columns_are_judged_as_columns_without_values(
    settings: Callable[..., Any], absent: frozenset[str]
) -> None:
    backend = ibis.duckdb.connect()
    register_functions(backend.con)
    texts = {n: f"'{text}'" for n, text in EVENT.items() if n not in absent}
    values = [f"{texts.get(n, 'NULL')}::VARCHAR AS {n}" for n in EVENT_COLUMNS]
    source = (
        f"SELECT {', '.join(values)}, 0 AS _file, 1::BIGINT AS _row, true AS _selected, {{'a': 0}} AS _raw, "
        "NULL::VARCHAR AS _line, NULL::VARCHAR AS _broken"
    )
    data = settings().data
    without, with_nulls = (
        backend.con.execute(validated_sql(backend, source, "events", data, absent=given)).to_arrow_table()
        for given in (absent, frozenset[str]())
    )
    assert without.equals(with_nulls)
    assert (without["_rule"].to_pylist() == ["user_id: missing"]) == ("user_id" in absent)


@pytest.mark.parametrize("table", TABLES)
def test_no_rule_is_a_join_which_would_lose_the_order_of_the_rows(table: str, settings: Callable[..., Any]) -> None:
    backend = ibis.duckdb.connect()
    register_functions(backend.con)
    names = ", ".join(f"{name} VARCHAR" for name in TABLES[table])
    backend.con.execute(f"CREATE TABLE e ({names}); INSERT INTO e ({TABLES[table][0]}) SELECT range FROM range(100000)")
    sql = (
        "SELECT *, 0 AS _file, NULL::BIGINT AS _row, true AS _selected, {'row': rowid} AS _raw, "
        "NULL::VARCHAR AS _line, NULL::VARCHAR AS _broken FROM e"
    )
    plan = backend.con.execute(f"EXPLAIN {validated_sql(backend, sql, table, settings().data)}").fetchone()[1]
    assert "JOIN" not in plan
    assert "PROJECTION" in plan
