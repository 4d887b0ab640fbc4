"""Files of every kind and databases give the same tables."""

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data import sources
from components.errors import ContractError
from tests.components.data.support import HEADER, NAMES, PRODUCTS, ROWS, WANTED, Ingested, events_from, good, write

Ingest = Callable[..., Ingested]


def as_csv(delimiter: str = ",") -> bytes:
    rows = [NAMES, *[tuple("" if v is None else str(v) for v in row) for row in ROWS]]
    return "\n".join(delimiter.join(row) for row in rows).encode()


def as_jsonl() -> bytes:
    return "\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS).encode()


def as_parquet(folder: Path) -> bytes:
    columns = [pa.array(c) for c in zip(*ROWS, strict=True)]
    columns[2] = pa.array([w["timestamp"] for w in WANTED], pa.timestamp("ns"))
    pq.write_table(pa.table(columns, NAMES), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


@pytest.mark.parametrize("name", ["e.csv", "e.csv.gz", "e.jsonl", "e.jsonl.gz", "e.parquet"])
@pytest.mark.parametrize("pattern", ["in/{}", "in", "in/e*"])
def test_every_kind_of_file_gives_the_same_rows(ingest: Ingest, tmp_path: Path, name: str, pattern: str) -> None:
    kind = name.removeprefix("e.").removesuffix(".gz")
    content = {"csv": as_csv, "jsonl": as_jsonl, "parquet": lambda: as_parquet(tmp_path)}[kind]()
    folder = pattern.split("/")[0].replace("in", "events")
    path = pattern.replace("in", "events").format(name)
    taken = ingest({f"{folder}/{name}": content}, sources=events_from(path=path))
    assert taken.rows(columns=list(NAMES)) == WANTED


def test_columns_and_where_are_sql_over_the_source(ingest: Ingest) -> None:
    content = b"Who,What,When,N\nU1,i1,1767225600,2\nU2,i2,1767225600,-1\nU3,i3,x,0\n"
    source = {
        "path": "in/events.csv",
        "where": "TRY_CAST(N AS INT) <> 0",
        "columns": {
            "user_id": "lower(Who)",
            "item_id": "What",
            "timestamp": 'to_timestamp(TRY_CAST("When" AS BIGINT))',
            "event": "CASE WHEN N < '0' THEN 'return' ELSE 'purchase' END",
            "quantity": "abs(TRY_CAST(N AS DOUBLE))",
        },
    }
    taken = ingest({"in/events.csv": content}, sources=events_from(**source))
    rows = taken.rows(columns=["user_id", "event", "quantity", "timestamp"])
    assert [tuple(r.values())[:3] for r in rows] == [("u1", "purchase", 2.0), ("u2", "return", 1.0)]
    assert rows[0]["timestamp"] == datetime(2026, 1, 1)
    assert taken.counts().filtered == 1


def test_json_expressions_read_nested_objects_and_keys_of_later_lines(ingest: Ingest) -> None:
    first = [{"sku": f"i{n}", "name": {"en": "A"}} for n in range(1, 1500)]
    text = "\n".join(json.dumps(o) for o in [*first, {"sku": "i0", "name": {"en": "Late"}, "cost": 3}]).encode()
    columns = {"item_id": "sku", "title": "json_extract_string(name, '$.en')", "price": "cost"}
    chosen = {"products": [{"path": "in/p.jsonl", "columns": columns}], "events": [{"path": "in/events.csv"}]}
    taken = ingest({"in/p.jsonl": text, "in/events.csv": HEADER + good()}, sources=chosen)
    late = taken.rows("products")[0]
    assert (late["item_id"], late["title"], late["price"]) == ("i0", "Late", 3.0)


def test_times_with_an_offset_become_utc(ingest: Ingest) -> None:
    times = ["2026-01-01T10:00:00+02:00", "2026-01-01 08:00", "2026-01-01T08:00:00.000Z", "2026-01-01 08:00:00 UTC",
             "2026-01-01 09:00:00 Europe/Paris", "2026-01-01T03:00:00-05"]  # fmt: skip
    rows = "".join(f"u{n},i1,{t},view,1,1\n" for n, t in enumerate(times)).encode()
    taken = ingest({"in/events.csv": HEADER + rows})
    assert [r["timestamp"] for r in taken.rows()] == [datetime(2026, 1, 1, 8)] * len(times)


def test_files_of_one_source_may_differ_in_header_and_kind(ingest: Ingest) -> None:
    files = {"e/1.csv": as_csv(), "e/2.csv": as_csv(";"), "e/3.csv": HEADER + b"u3,i3,2026-01-04,view,1,-1\n",
             "e/4.jsonl": as_jsonl().replace(b'"u1"', b'"v1"').replace(b'"u2"', b'"v2"')}  # fmt: skip
    taken = ingest(files, sources=events_from(path="e"), max_bad_share=1.0)
    assert taken.counts().read == 7
    assert (taken.counts().duplicates, taken.counts().quarantined) == (2, 1)
    assert [(b["file"], b["row"]) for b in taken.bad()] == [("e/2.csv", 1), ("e/2.csv", 2), ("e/3.csv", 1)]


def test_fingerprint_follows_the_files(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS, "in/events.csv": HEADER})
    data = settings().data
    first = sources.fingerprint(data, tmp_path)
    assert set(first) == {"products: in/products.csv", "events: in/events.csv"}
    assert sources.fingerprint(data, tmp_path) == first
    write(tmp_path, {"in/events.csv": HEADER + good()})
    assert sources.fingerprint(data, tmp_path) != first
    assert sources.fingerprint(settings(simulated=True).data, tmp_path) == {"simulated": True}


def test_describe_counts_files_and_names_a_wrong_one(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS, "in/events.csv": HEADER})
    assert sources.describe(settings().data, "events", tmp_path) == "1 source(s), 1 file(s); separated by comma"
    (tmp_path / "in/events.csv").write_bytes(b"")
    with pytest.raises(ContractError, match=r"in/events\.csv: expected .* got an empty file"):
        sources.describe(settings().data, "events", tmp_path)


def test_another_kind_of_file_is_refused(ingest: Ingest) -> None:
    with pytest.raises(ContractError, match=r"in/events\.xlsx"):
        ingest({"in/events.xlsx": b"PK"}, sources=events_from(path="in/events.xlsx"))


def test_gzip_of_several_members_is_one_file(ingest: Ingest) -> None:
    content = gzip.compress(HEADER + good(2)) + gzip.compress(good(2, user=2))
    assert ingest({"in/e.csv.gz": content}, sources=events_from(path="in/e.csv.gz")).counts().valid == 4


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Paris"), pa.date32()],
    ids=str,
)
def test_parquet_times_of_every_type(ingest: Ingest, tmp_path: Path, kind: pa.DataType) -> None:
    times = pa.array([datetime(2026, 1, 2)], pa.timestamp("us", "UTC")).cast(kind)
    rows = pa.table({"user_id": ["u"], "item_id": ["i1"], "timestamp": times, "event": ["view"]})
    pq.write_table(rows, tmp_path / "e.parquet")
    taken = ingest({"in/e.parquet": (tmp_path / "e.parquet").read_bytes()}, sources=events_from(path="in/e.parquet"))
    assert [r["timestamp"] for r in taken.rows()] == [datetime(2026, 1, 2)]


def test_parquet_numbers_of_other_types_are_cast_or_quarantined(ingest: Ingest, tmp_path: Path) -> None:
    from decimal import Decimal

    rows = pa.table({"user_id": pa.array([7, 8], pa.int64()), "item_id": ["i1", "i1"], "event": ["view", "view"],
                     "timestamp": pa.array([datetime(2026, 1, 2)] * 2), "price": [Decimal("2.50"), Decimal("-1.00")],
                     "tags": [["a"], ["b"]]})  # fmt: skip
    pq.write_table(rows, tmp_path / "e.parquet")
    taken = ingest({"in/e.parquet": (tmp_path / "e.parquet").read_bytes()}, sources=events_from(path="in/e.parquet"))
    assert [(r["user_id"], r["price"]) for r in taken.rows()] == [("7", 2.5)]
    assert [(b["row"], b["rule"], json.loads(b["raw"])["tags"]) for b in taken.bad()] == [(2, "price: negative", ["b"])]
