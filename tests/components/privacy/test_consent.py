"""Consent as shops write it, as it is stored, and as a condition that DuckDB and SQLite read alike."""

import re
import sqlite3

import duckdb
import pytest

from components.params import PURPOSES
from components.privacy.consent import PATTERN, allows, stored_sql, to_stored

WRITTEN = {
    "true": None, "1": None, "Yes": None, "false": "", "0": "", "none": "", "[]": "", "recommend": "recommend",
    "measure, recommend": "recommend,measure", '["advertise", "recommend"]': "recommend,advertise",
    "recommend;advertise;measure": None, "recommend+measure": "recommend,measure",
}  # fmt: skip


@pytest.mark.parametrize(("written", "stored"), WRITTEN.items())
def test_a_flag_or_purposes_are_read(written: str, stored: str | None) -> None:
    assert re.search(PATTERN, written.lower())
    sql = f"SELECT regexp_matches(lower($1), $2), {stored_sql('$1', [])}"
    assert duckdb.execute(sql, [written, PATTERN]).fetchone() == (True, stored)


@pytest.mark.parametrize("written", ["perhaps", "recommend or not", "sell", "recommend, sell", "2"])
def test_other_words_are_refused(written: str) -> None:
    assert not re.search(PATTERN, written)
    assert duckdb.execute("SELECT regexp_matches($1, $2)", [written, PATTERN]).fetchone() == (False,)


@pytest.mark.parametrize(("default", "stored"), [(PURPOSES, None), ([], ""), (["measure"], "measure")])
@pytest.mark.parametrize("written", [None, "NULL", "nan"])
def test_where_nothing_is_stated_the_default_counts(
    written: str | None, default: list[str], stored: str | None
) -> None:
    sql = f"SELECT {stored_sql('$1::VARCHAR', default)}"  # type: ignore[arg-type]
    assert duckdb.execute(sql, [written]).fetchone() == (stored,)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_conditions_are_the_same_in_every_database(purpose: str) -> None:
    expected = (
        {None: True, "": False}
        | {name: name == purpose for name in PURPOSES}
        | {"recommend,advertise": purpose != "measure"}
    )
    condition = allows(purpose).replace("consent", "$1")  # type: ignore[arg-type]
    for stored, is_allowed in expected.items():
        assert duckdb.execute(f"SELECT {condition.replace('$1', '$1::VARCHAR')}", [stored]).fetchone() == (is_allowed,)
        with sqlite3.connect(":memory:") as database:
            row = database.execute(f"SELECT {condition.replace('$1', ':a')}", {"a": stored}).fetchone()
            assert bool(row[0]) == is_allowed


def test_all_purposes_are_stored_as_null() -> None:
    assert to_stored(PURPOSES) is None
    assert to_stored(["measure", "recommend"]) == "recommend,measure"
    assert to_stored([]) == ""
