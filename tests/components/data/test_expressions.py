"""Expressions are parsed before they are used, and a wrong one is named with what to do."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from components.data.expressions import parse
from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, events_from, good

Ingest = Callable[..., Ingested]


@pytest.fixture
def connection() -> Iterator[Any]:
    """Return a DuckDB connection."""
    with duckdb.connect() as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "names", "unnests"),
    [
        ("sku", ("sku",), False),
        ("'x'", (), False),
        ('coalesce("a b", c.d, 1) -- note', ("a b", "c"), False),
        ("unnest(items).sku", ("items",), True),
        ("upper(json_extract_string(UNNEST(items), '$.sku'))", ("items",), True),
        ("items[generate_subscripts(items, 1)]", ("items",), True),
        ("(SELECT max(n) FROM unnest(prices) t(n))", ("n", "prices"), False),
        ("list_sum(prices) > 1", ("prices",), False),
        ("items[1 + (SELECT 0)] || unnest(b)", ("items", "b"), True),
        ("list_filter(items, lambda i: i.sku = wanted)", ("items", "wanted"), False),
        ("[i.sku for i in items if i.n > 1]", ("items",), False),
    ],
)
def test_names_and_unnesting(connection: Any, text: str, names: tuple[str, ...], unnests: bool) -> None:
    parsed = parse(connection, "columns.x", text)
    assert (parsed.names, parsed.unnests) == (names, unnests)


@pytest.mark.parametrize(
    ("text", "reorders"),
    [("max(a) OVER (PARTITION BY b)", True), ("user_of(a)", True), ("(SELECT 1)", True), ("upper(a)", False)],
)
def test_what_changes_the_order_of_rows(connection: Any, text: str, reorders: bool) -> None:
    assert parse(connection, "columns.x", text).reorders == reorders


@pytest.mark.parametrize("word", ["order", "at", "group", "end", "table", "select", "ORDER"])
def test_a_word_of_sql_is_named_with_its_quotes(connection: Any, word: str) -> None:
    with pytest.raises(ContractError) as error:
        parse(connection, "data.sources.events[0].columns.title", word)
    assert f"columns.title: expected an SQL expression, got `{word}`" in str(error.value)
    assert f"title: '\"{word}\"'" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"), [("Lineitem sku", "blanks"), ("upper(order)", r"\(order\)"), ("1 +", "syntax error"),
                       ("a FROM b", "FROM|from"), ("x; DROP TABLE y", "syntax error"), ("'x", "unterminated")],
)  # fmt: skip
def test_what_is_no_expression_is_named(connection: Any, text: str, says: str) -> None:
    with pytest.raises(ContractError, match=says) as error:
        parse(connection, "where", text)
    assert f"got `{text}`" in str(error.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"columns": {"price": "prize"}}, r"events\[0\]\.columns\.price: in/events\.csv: .*\"prize\" not found"),
        ({"where": "state = 1"}, r"events\[0\]\.where: in/events\.csv: .*\"state\" not found"),
        ({"columns": {"user_id": "user"}}, r'columns\.user_id: in/events\.csv: no column "user"'),
        ({"columns": {"price": "price.net"}}, r"columns\.price: in/events\.csv"),
        ({"columns": {"price": "no_such(price)"}}, r"columns\.price: in/events\.csv.*no_such"),
        ({"columns": {"price": '"user_id;item_id"'}, "delimiter": ";"}, r"columns\.price"),
    ],
)
def test_the_expression_that_does_not_fit_is_named_with_the_columns(
    ingest: Ingest, source: dict[str, Any], says: str
) -> None:
    separator = "semicolon" if "delimiter" in source else "comma"
    with pytest.raises(ContractError, match=says) as error:
        ingest({"in/events.csv": HEADER + good()}, sources=events_from(path="in/events.csv", **source))
    assert f"separated by {separator}" in str(error.value)


def test_a_column_with_the_name_of_a_word_is_read_in_quotes(ingest: Ingest) -> None:
    content = HEADER.replace(b"quantity", b"order").replace(b"price", b"user") + good()
    columns = {"quantity": '"order"', "price": "user"}
    taken = ingest({"in/events.csv": content}, sources=events_from(path="in/events.csv", columns=columns))
    assert [(r["quantity"], r["price"]) for r in taken.rows()] == [(1.0, 2.5)]
