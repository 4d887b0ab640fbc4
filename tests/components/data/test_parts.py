"""Columns that files may lack, and lists of which each element gives a row."""

from collections.abc import Callable

import pytest

from components.errors import ContractError
from tests.components.data.support import HEADER, Ingested, events_from, good

Ingest = Callable[..., Ingested]


@pytest.mark.parametrize("kind", ["csv", "tsv", "inter"])
def test_an_optional_column_is_null_where_it_is_absent(ingest: Ingest, kind: str) -> None:
    text = (HEADER + good()).replace(b",", b"," if kind == "csv" else b"\t")
    source = {"path": f"in/e.{kind}", "columns": {"session_id": "visit", "quantity": "pieces"}, "where": "test IS NULL"}
    optional = ["visit", "pieces", "test"]
    done = ingest({f"in/e.{kind}": text}, sources=events_from(**source, optional=optional))
    assert [(r["user_id"], r["session_id"], r["quantity"]) for r in done.rows()] == [("u1", None, None)]
    with pytest.raises(ContractError, match="pieces"):
        ingest({f"in/e.{kind}": text}, sources=events_from(**source, optional=["visit", "test"]))


def test_an_optional_column_is_read_where_it_is_there(ingest: Ingest) -> None:
    source = {"path": "in/e.csv", "columns": {"session_id": "user_id"}, "optional": ["USER_ID", "price"]}
    done = ingest({"in/e.csv": HEADER + good()}, sources=events_from(**source))
    assert [(r["session_id"], r["price"]) for r in done.rows()] == [("u1", 2.5)]


def test_a_wrong_list_is_named(ingest: Ingest) -> None:
    with pytest.raises(ContractError, match=r"data.sources.events\[0\].each: in/e.csv: .*nowhere"):
        ingest({"in/e.csv": HEADER + good()}, sources=events_from(path="in/e.csv", each="[nowhere]"))


def test_each_is_a_struct_of_window_functions_over_the_records(ingest: Ingest) -> None:
    """As for an export that names the order's values in its first line only."""
    rows = b"u1,i1,2026-01-01,view,1,\nu1,i2,,view,1,\nu2,i3,,view,1,\n"
    source = {
        "path": "in/e.csv",
        "each": "[{'time': max(\"timestamp\") OVER (PARTITION BY user_id)}]",
        "columns": {"timestamp": "each.time"},
    }
    done = ingest({"in/e.csv": HEADER + rows}, sources=events_from(**source))
    assert [(r["user_id"], r["item_id"]) for r in done.rows()] == [("u1", "i1"), ("u1", "i2")]
    assert [(r["row"], r["rule"]) for r in done.bad()] == [(3, "timestamp: missing")]
