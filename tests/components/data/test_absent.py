"""Columns that a source does not have are refused where they are needed, and said where only some files have them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from components.data.absent import MAX_NAMED, describe_absent
from components.data.sources import describe
from components.errors import ContractError, list_names
from tests.components.data.support import HEADER, Ingested, events_from, good

Ingest = Callable[..., Ingested]
ROW = b"2026-01-02,view\n"


@pytest.mark.parametrize(
    ("files", "source", "message"),
    [
        ({"e/1.csv": b"customer,item_id,timestamp,event\nu1,i1," + ROW}, {},
         r'e/1\.csv: expected a column user_id, found "customer", "item_id".*as in user_id: your_column'),
        ({"e/1.csv": b"Sales of May\n" + HEADER + good(3)}, {},
         'expected a column user_id, item_id, timestamp, event, found "Sales of May"'),
        ({f"e/{n}.csv": b"user_id,item_id,timestamp\nu1,i1,2026-01-02\n" for n in "123"}, {},
         r"e/1\.csv and 2 more: expected a column event"),
        ({"e/event=cart/1.csv": b"user_id,item_id,timestamp\nu1,i1,2026-01-02\n"}, {}, "as in event: event, or"),
        ({"e/1.csv": b"user_id,timestamp,event\nu1," + ROW}, {"columns": {"user_id": "user_id"}}, "a column item_id"),
    ],
)  # fmt: skip
def test_a_source_without_a_required_column_is_refused_by_doctor_and_ingest(
    ingest: Ingest,
    tmp_path: Path,
    settings: Callable[..., Any],
    files: dict[str, bytes],
    source: dict[str, Any],
    message: str,
) -> None:
    sources = events_from(path="e", **source)
    limits = {"max_bad_share": 1.0, "sources": sources}
    for act in (lambda: ingest(files, **limits), lambda: describe(settings(**limits).data, "events", tmp_path)):
        with pytest.raises(ContractError, match=rf"data\.sources\.events\[0\]: .*{message}"):
            act()


def test_a_database_without_a_required_column_is_refused(ingest: Ingest, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.sql("CREATE TABLE e AS SELECT 'u1' AS who, 'i1' AS item_id, DATE '2026-01-02' AS timestamp")
    source = {"attach": "shop.duckdb", "type": "duckdb", "query": "SELECT * FROM $db.e"}
    with pytest.raises(ContractError, match=r'shop\.duckdb: expected a column user_id, event, found "who"'):
        ingest({}, sources=events_from(**source))


def test_columns_that_are_not_needed_may_be_absent(ingest: Ingest) -> None:
    files = {"e/1.csv": b"item_id,timestamp,event\ni1," + ROW}
    assert len(ingest(files, sources=events_from(path="e"), anonymous_events=True).rows()) == 1


def test_columns_that_only_some_files_have_are_said_without_expressions_too(ingest: Ingest) -> None:
    files = {
        "e/1.csv": HEADER + good(2),
        "e/2.csv": b"USER_ID,item_id,timestamp,event\nu2,i1," + ROW,
        "e/3.csv": b"customer,item_id,timestamp,event,quantity,price\nu3,i1,2026-01-02,view,1,1\n",
        "e/4.csv": b"event,user_id,timestamp,item_id\nview,u4,2026-01-02,i1\n",
        "e/5.jsonl": b'{"user_id": "u5", "item_id": "i1", "timestamp": "2026-01-02", "event": "view"}\n',
    }
    taken = ingest(files, sources=events_from(path="e"), max_bad_share=1.0)
    assert taken.quality["events"].sources[0].notes == [
        "e/2.csv, e/4.csv have no column quantity, price",
        "e/3.csv has no column user_id",
    ]
    assert [(b["file"], b["rule"]) for b in taken.bad()] == [("e/3.csv", "user_id: missing")]
    assert sorted(r["user_id"] for r in taken.rows()) == ["u1", "u1", "u2", "u4", "u5"]


def test_many_files_are_counted() -> None:
    assert describe_absent((f"{n}.csv", "price") for n in range(1000))[0].endswith(
        "19.csv and 980 more have no column price"
    )
    assert list_names(["a", "b"], MAX_NAMED) == "a, b"
