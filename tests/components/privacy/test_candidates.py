"""The patterns that decide which texts are looked at: one for each kind, the same in DuckDB and in Python."""

import re

import duckdb
import pytest

from components.params import PERSONAL_DATA
from components.privacy.candidates import CANDIDATES, GATES
from tests.components.privacy.forms import FORMS


def test_each_kind_has_a_gate() -> None:
    assert set(GATES) == set(PERSONAL_DATA)


@pytest.mark.parametrize("kind", PERSONAL_DATA)
def test_a_gate_lets_all_known_forms_of_its_kind_through(kind: str) -> None:
    gate = re.compile(GATES[kind])  # type: ignore[index]
    assert [text for text in FORMS[kind] if not gate.search(text)] == []


def test_python_and_duckdb_read_the_patterns_alike() -> None:
    texts = [text for forms in FORMS.values() for text in forms] + ["blue mug 350 ml", "红色 茶杯 2个", ""]
    sql = "SELECT regexp_matches(text, ?) OR regexp_matches(text, ?) FROM (SELECT unnest(?) AS text)"
    in_duckdb = [row[0] for row in duckdb.execute(sql, [*CANDIDATES, texts]).fetchall()]
    assert in_duckdb == [any(re.search(pattern, text) for pattern in CANDIDATES) for text in texts]
