"""Lookups find one value or none, and rows stay in the order and under the numbers of their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data.sources import fingerprint
from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, write

Ingest = Callable[..., Ingested]
ORDERS = b"order,buyer\n1,ann\n2,bob\n2,cid\n3,\n4,dan\n4,dan\nbroken,line,here\n"
LINES = b"order,item_id,timestamp\n" + b"".join(b"%d,i1,2026-01-01 10:00:0%d\n" % (n, n) for n in (4, 3, 2, 1, 9))
USER_OF = {"user_of": {"path": "in/orders.csv", "key": '"order"', "value": "buyer"}}


def lines_source(**source: Any) -> dict[str, Any]:
    columns = {"user_id": 'user_of("order")', "event": "'view'"}
    events = {"path": "in/lines.csv", "columns": columns, **source}
    return {"products": [{"path": "in/products.csv"}], "events": [events]}


def test_a_value_is_found_unless_there_are_several(ingest: Ingest) -> None:
    """Order 2 has two buyers, 3 none, 9 is unknown: no user, never one at random."""
    orders = ORDERS.replace(b"broken,line,here\n", b"")
    done = ingest({"in/orders.csv": orders, "in/lines.csv": LINES}, lookups=USER_OF, sources=lines_source())
    assert [(r["user_id"], r["timestamp"].second) for r in done.rows()] == [("ann", 1), ("dan", 4)]
    assert [(r["row"], r["rule"]) for r in done.bad()] == [(n, "user_id: missing") for n in (2, 3, 5)]


def test_a_damaged_file_stops_the_run(ingest: Ingest) -> None:
    with pytest.raises(ContractError, match=r"in/orders\.csv: cannot be read"):
        ingest({"in/orders.csv": ORDERS, "in/lines.csv": LINES}, lookups=USER_OF, sources=lines_source())


@pytest.mark.parametrize(
    ("lookup", "message"),
    [
        ({"path": "in/gone.csv"}, "path in/gone.csv: expected files"),
        ({"value": "seller"}, r"data.lookups.user_of: in/orders.csv: .*seller.* The columns are \"order\", \"buyer\""),
        ({"key": "order"}, "data.lookups.user_of.key: expected an SQL expression"),
    ],
)
def test_a_wrong_lookup_is_named(ingest: Ingest, lookup: dict[str, str], message: str) -> None:
    wrong = {"user_of": USER_OF["user_of"] | lookup}
    with pytest.raises(ContractError, match=message):
        ingest({"in/orders.csv": b"order,buyer\n1,ann\n", "in/lines.csv": LINES}, lookups=wrong, sources=lines_source())


def test_window_functions_keep_order_and_numbers_of_rows(ingest: Ingest) -> None:
    """DuckDB gives the rows of a window by partition; equal times keep the order of the file."""
    text = b"".join(
        b"u%d,i%d,%s,view,%s,\n" % (n % 7, n % 9 + 1, b"2026-01-01" if n < 2000 else b"", b"x" if n == 1500 else b"1")
        for n in range(4000)
    )
    time = 'coalesce("timestamp", max("timestamp") OVER (PARTITION BY user_id)) '
    columns = {"timestamp": time, "session_id": "row_number() OVER (PARTITION BY user_id)"}
    events = {"path": "in/events.csv", "columns": columns}
    done = ingest(
        {"in/events.csv": HEADER + text}, sources={"products": [{"path": "in/products.csv"}], "events": [events]}
    )
    assert [(r["row"], r["rule"]) for r in done.bad()] == [(1501, "quantity: not a float64")]
    assert done.counts().read == 4000
    wanted = [f"u{n % 7}" for n in range(4000) if n != 1500]
    assert [r["user_id"] for r in done.rows()] == wanted


def test_an_expression_over_each_element_may_call_a_lookup(ingest: Ingest) -> None:
    """A record gives a row for each element; one without elements counts as empty, a broken line as invalid."""
    records = (
        b'{"u": "ann", "items": [{"sku": "a"}, {"sku": "b"}]}\n{"u": "bob", "items": []}\n[1]\n'
        b'{"u": "cid", "items": [{"sku": "c"}]}\n'
    )
    columns = {"user_id": "u", "item_id": "item_of(each->>'sku')", "timestamp": "'2026-01-01'", "event": "'view'"}
    events = {"path": "in/e.jsonl", "each": "json_extract(items, '$[*]')", "columns": columns}
    done = ingest(
        {"in/e.jsonl": records, "in/skus.csv": b"sku,id\na,i1\nb,i2\n"},
        lookups={"item_of": {"path": "in/skus.csv", "key": "sku", "value": "id"}},
        sources={"products": [{"path": "in/products.csv"}], "events": [events]},
    )
    assert [(r["user_id"], r["item_id"]) for r in done.rows()] == [("ann", "i1"), ("ann", "i2")]
    assert [(r["row"], r["rule"]) for r in done.bad()] == [(3, "line: not a JSON object"), (4, "item_id: missing")]
    counts = done.counts()
    assert (counts.read, counts.valid, counts.quarantined, counts.empty) == (4, 1, 2, 1)


def test_a_changed_file_changes_the_fingerprint(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, {"in/orders.csv": ORDERS, "in/lines.csv": LINES, "in/products.csv": b"item_id\ni1\n"})
    data = settings(lookups=USER_OF, sources=lines_source()).data
    before = fingerprint(data, tmp_path)
    write(tmp_path, {"in/orders.csv": ORDERS + b"5,eve\n"})
    assert fingerprint(data, tmp_path) != before


def test_a_lookup_has_a_name_of_its_own(settings: Callable[..., Any]) -> None:
    """A function such as lower, which other expressions call, cannot be replaced."""
    with pytest.raises(Exception, match="lower"):
        settings(lookups={"lower": USER_OF["user_of"]})
