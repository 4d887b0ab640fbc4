"""Records are counted before lists are unnested, and each comes out once, whatever its lists hold."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from components.data.quality import Counts
from components.errors import QualityError
from tests.components.data.support import HEADER, Ingested, events_from

Ingest = Callable[..., Ingested]
ITEMS = "unnest(json_extract(basket, '$[*]'))"
COLUMNS = {"user_id": "buyer", "item_id": f"json_extract_string({ITEMS}, '$.sku')", "timestamp": "day",
           "event": "'purchase'", "quantity": f"json_extract_string({ITEMS}, '$.n')"}  # fmt: skip


def order(number: int, *skus: str, day: str = "2026-01-02", n: object = 1) -> dict[str, Any]:
    return {"buyer": f"b{number}", "day": day, "basket": [{"sku": sku, "n": n} for sku in skus], "state": "paid"}


def lines(*orders: object) -> bytes:
    return b"".join(o if isinstance(o, bytes) else json.dumps(o).encode() + b"\n" for o in orders)


def summed(counts: Counts) -> bool:
    return counts.read == sum(n for name, n in counts.model_dump().items() if name != "read")


def outcomes(taken: Ingested) -> dict[str, int]:
    counts = taken.quality["events"].counts
    assert summed(counts)
    assert summed(taken.quality["events"].rows)
    return {name: n for name, n in counts.model_dump().items() if n and name != "read"}


BROKEN = b'{"buyer": "b9", "basket": [{"sku"\n'
MIXED = lines(
    order(1, "i1", "i2", "i3"),
    BROKEN,
    b"\n",
    order(2),
    {"buyer": "b3", "day": "2026-01-02"},
    order(4, "i1", "i2", n=-1),
    order(5, "i1", day="2026-09-09"),
    b"[1]\n",
    order(6, "i1", "gone"),
    order(1, "i1", "i2", "i3"),
    {**order(7, "i1", "i2"), "state": "test"},
    {**order(8), "state": "test"},
)


def test_each_record_comes_out_once_under_the_first_outcome_of_its_rows(ingest: Ingest) -> None:
    source = {"path": "in/o.jsonl", "columns": COLUMNS, "where": "state <> 'test' OR state IS NULL"}
    taken = ingest({"in/o.jsonl": MIXED}, sources=events_from(**source), max_unknown_share=1.0)
    assert outcomes(taken) == {
        "valid": 2,
        "quarantined": 3,
        "duplicates": 1,
        "after_as_of": 1,
        "filtered": 2,
        "empty": 2,
    }
    assert taken.counts().read == 11
    rows = taken.quality["events"].rows
    assert (rows.valid, rows.quarantined, rows.duplicates, rows.empty) == (4, 5, 3, 2)
    assert len(taken.rows()) == 4
    found = sorted((b["row"], b["rule"]) for b in taken.bad())
    assert found == [
        (2, "line: not a JSON object"), (5, "quantity: negative"), (5, "quantity: negative"),
        (7, "line: not a JSON object"), (8, "item_id: not in products"), (9, "duplicate"), (9, "duplicate"),
        (9, "duplicate"),
    ]  # fmt: skip
    assert [b["raw"] for b in taken.bad() if b["row"] == 2] == [BROKEN.decode().strip()]


def test_broken_lines_count_beside_unnested_lists(ingest: Ingest) -> None:
    content = lines(*[BROKEN if n % 5 == 4 else order(n, *["i1", "i2", "i3"][: n % 3 + 1]) for n in range(20)])
    sources = events_from(path="in/o.jsonl", columns=COLUMNS)
    with pytest.raises(QualityError, match=r"4 of 20 records \(20\.0%\) broke a rule.*first row 5"):
        ingest({"in/o.jsonl": content}, sources=sources, max_bad_share=0.02)
    taken = ingest({"in/o.jsonl": content}, sources=sources, max_bad_share=0.2)
    assert (taken.counts().read, outcomes(taken), len(taken.rows())) == (20, {"valid": 16, "quarantined": 4}, 31)


def test_unnested_lists_in_where_and_of_different_lengths(ingest: Ingest) -> None:
    columns = {**COLUMNS, "price": "unnest([1, 2])"}  # two prices: the shorter list is filled with null
    source = {"path": "in/o.jsonl", "columns": columns, "where": f"json_extract_string({ITEMS}, '$.sku') <> 'i2'"}
    taken = ingest({"in/o.jsonl": lines(order(1, "i1", "i2", "i3"), order(2, "i2"), order(3))},
                   sources=events_from(**source))  # fmt: skip
    assert [(r["user_id"], r["item_id"], r["price"]) for r in taken.rows()] == [("b1", "i1", 1.0), ("b1", "i3", None)]
    assert outcomes(taken) == {"valid": 1, "filtered": 2}


def test_subqueries_and_list_functions_keep_one_row_of_each_record(ingest: Ingest) -> None:
    columns = {
        **COLUMNS,
        "item_id": "json_extract_string(basket, '$[0].sku')",
        "quantity": "(SELECT sum(n::INT) FROM (SELECT unnest(json_extract_string(basket, '$[*].n')) AS n))",
    }
    content = lines(order(1, "i1", "i2", n=2), order(2), BROKEN)
    taken = ingest({"in/o.jsonl": content}, sources=events_from(path="in/o.jsonl", columns=columns))
    assert [r["quantity"] for r in taken.rows()] == [4.0]
    assert outcomes(taken) == {"valid": 1, "quarantined": 2}


def test_records_are_numbered_in_each_file_of_each_kind(ingest: Ingest, tmp_path: Path) -> None:
    duckdb.sql(
        "COPY (FROM (VALUES ('p1', ['i1', 'i2']), ('p2', []), ('p3', NULL), ('p4', ['i3', 'gone'])) t(who, skus)) "
        f"TO '{tmp_path}/made.parquet'"
    )
    text = b"who,skus\nc1,i1|i2\nc2,\nshort\nc3,gone|i1\n"
    files = {
        "e/1.csv": text,
        "e/2.csv": text.replace(b"c", b"d"),
        "e/3.parquet": (tmp_path / "made.parquet").read_bytes(),
    }
    columns = {"user_id": "who", "timestamp": "'2026-01-02'", "event": "'view'"}
    kinds = [{"path": "e/*.csv", "columns": {**columns, "item_id": "unnest(string_split(skus, '|'))"}},
             {"path": "e/*.parquet", "columns": {**columns, "item_id": "unnest(skus)"}}]  # fmt: skip
    taken = ingest(files, sources={**events_from(), "events": kinds}, max_unknown_share=1.0)
    assert sorted((b["file"], b["row"], b["rule"]) for b in taken.bad()) == [
        ("e/1.csv", 3, "line: missing columns"), ("e/1.csv", 4, "item_id: not in products"),
        ("e/2.csv", 3, "line: missing columns"), ("e/2.csv", 4, "item_id: not in products"),
        ("e/3.parquet", 4, "item_id: not in products"),
    ]  # fmt: skip
    assert outcomes(taken) == {"valid": 6, "quarantined": 2, "empty": 4}
    records = {f.name: f.records for s in taken.quality["events"].sources for f in s.files}
    assert records == {"e/1.csv": 4, "e/2.csv": 4, "e/3.parquet": 4}


def test_lists_in_databases_are_unnested_too(ingest: Ingest, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE o (who TEXT, skus TEXT)")
        database.executemany("INSERT INTO o VALUES (?, ?)", [("s1", '["i1", "i2"]'), ("s2", "[]"), ("s3", None)])
    database.close()
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as other:
        other.execute(
            "CREATE TABLE o AS SELECT 'd' || n AS who, ['i' || n, 'i1'][:n - 1] AS skus FROM range(1, 4) t(n)"
        )
    columns = {"user_id": "who", "timestamp": "'2026-01-02'", "event": "'view'"}
    sources = [
        {"attach": "shop.db", "type": "sqlite", "query": "SELECT * FROM o",
         "columns": {**columns, "item_id": "unnest(json_extract_string(skus, '$[*]'))"}},
        {"attach": "shop.duckdb", "type": "duckdb", "query": "SELECT * FROM $db.o",
         "columns": {**columns, "item_id": "unnest(skus)"}},
    ]  # fmt: skip
    taken = ingest({}, sources={**events_from(), "events": sources})
    assert (taken.counts().read, outcomes(taken), len(taken.rows())) == (6, {"valid": 3, "empty": 3}, 5)


def test_products_in_variants_are_counted_by_record(ingest: Ingest) -> None:
    products = lines({"name": "Cup", "v": ["i1", "i2"]}, {"name": "Pot", "v": []}, {"name": "Jug", "v": ["i1"]}, BROKEN)
    columns = {"item_id": "unnest(json_extract_string(v, '$[*]'))", "title": "name"}
    chosen = {"products": [{"path": "in/p.jsonl", "columns": columns}], "events": [{"path": "in/events.csv"}]}
    taken = ingest({"in/p.jsonl": products, "in/events.csv": HEADER + b"u1,i2,2026-01-01,view,1,1\n"}, sources=chosen)
    counts = taken.counts("products")
    assert summed(counts)
    assert (counts.read, counts.empty, counts.quarantined) == (4, 1, 1)
