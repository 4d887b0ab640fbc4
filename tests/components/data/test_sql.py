"""Quoted names and values reach DuckDB unchanged."""

import duckdb
import pytest

from components.data.sql import quote_list, quote_name, quote_text


@pytest.mark.parametrize("text", ["plain", "it's", 'a "b"', "'; DROP TABLE t; --", "红茶", "back\\slash", ""])
def test_any_text_can_be_quoted_as_a_value(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {quote_text(text)}, {quote_list([text, 'x'])}").fetchone() == (
            text,
            [text, "x"],
        )


@pytest.mark.parametrize("text", ["plain", "select", 'a "b"', "it's", "Two Words"])
def test_any_text_can_be_quoted_as_a_name(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT 1 AS {quote_name(text)}").description[0][0] == text
