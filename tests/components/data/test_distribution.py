"""The tasks of an engine write the files, and count the rows, that one process does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data import distribution, sources, staging
from components.data.engines import InProcess
from components.data.snapshot import take_snapshot
from components.errors import ContractError, QualityError
from tests.components.data.support import HEADER, PRODUCTS, assert_equal_snapshots, write

Settings = Callable[..., Any]


def write_parquet(path: Path, rows: list[tuple[str, str, str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("user_id", "item_id", "timestamp", "price")
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    pq.write_table(table, path, row_group_size=2)


def test_parquet_files_in_ranges_of_rows_and_duplicates_in_other_files(tmp_path: Path, settings: Settings) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS})
    times = ["2026-01-31 23:59:59.999999", "2026-02-01 00:00:00", "2026-01-02", "2026-03-01", "never"]
    rows = [(f"u{n % 3}", f"i{n % 11}", times[n % 5], (n % 4) - 1.0) for n in range(23)]
    write_parquet(tmp_path / "e/1.parquet", rows)
    write_parquet(tmp_path / "e/2.parquet", [*rows[5:9], ("u9", "i1", "2026-02-03", 0.0), rows[7]])
    source = {"path": "e", "columns": {"event": "'view'"}, "where": "user_id <> 'u9' OR price > 1"}
    data = settings(
        sources={"products": [{"path": "in/products.csv"}], "events": [source]}, spark={"rows_per_task": 4},
        max_unknown_share=1.0,
    ).data  # fmt: skip
    counts = assert_equal_snapshots(tmp_path, data, InProcess())["events"].counts
    assert (counts.read, counts.filtered) == (29, 1)
    assert min(counts.valid, counts.duplicates, counts.quarantined, counts.after_as_of) > 0


def test_a_file_that_is_repaired_and_columns_that_other_files_have(tmp_path: Path, settings: Settings) -> None:
    line = b"u1,i1,2026-01-01 10:00:00,view,1,2\n"
    files = {
        "e/day=1/a.csv": HEADER + line + b'u2,i2,"2026-01-02,view,1,2\n' + line + b"short\n",
        "e/day=0/0.csv": HEADER + b"u5,i5,2026-01-05,view,1,2\n",
        "e/day=3/b.csv": HEADER.replace(b"price", b"session_id") + b"u3,i3,2026-01-03,cart,1,s\n" + HEADER,
        "e/day=2/c.jsonl": b'{"user_id": "u4", "item_id": "i4", "timestamp": "2026-02-01", "event": "cart"}\n[1]\n',
        "in/products.csv": PRODUCTS,
    }
    write(tmp_path, files)
    source = {"path": "e", "columns": {"session_id": "coalesce(day, 'none')"}}
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [source]}).data
    counts = assert_equal_snapshots(tmp_path, data, InProcess())["events"].counts
    assert (counts.valid, counts.duplicates) == (4, 1)


def test_a_folder_key_that_only_some_files_have(tmp_path: Path, settings: Settings) -> None:
    line = b"u1,i1,2026-01-01 10:00:00,view,1,2\n"
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/0.csv": HEADER + line, "e/day=1/1.csv": HEADER + line})
    source = {"path": "e", "columns": {"session_id": "day"}}
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [source]}).data
    assert assert_equal_snapshots(tmp_path, data, InProcess())["events"].counts.valid == 2


def test_records_with_rows_in_several_months_and_none(tmp_path: Path, settings: Settings) -> None:
    def order(*times: str) -> bytes:
        return json.dumps({"u": "u1", "items": [{"sku": "i1", "at": t} for t in times]}).encode() + b"\n"

    lines = [order("2026-01-01", "2026-02-01"), order(), order("2026-02-01"), order("2026-02-01", "never"), b"{\n"]
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/1.jsonl": b"".join(lines), "e/2.jsonl": lines[0] + lines[1]})
    columns = {"user_id": "u", "item_id": "each->>'sku'", "timestamp": "each->>'at'", "event": "'purchase'"}
    source = {"path": "e", "each": "json_extract(items, '$[*]')", "columns": columns}
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [source]}).data
    quality = assert_equal_snapshots(tmp_path, data, InProcess())["events"]
    assert (quality.counts.read, quality.counts.valid, quality.counts.empty) == (7, 1, 2)
    assert quality.rows.duplicates == 4


def test_a_window_function_sees_the_rows_of_all_files(tmp_path: Path, settings: Settings) -> None:
    line = b"u1,i1,2026-01-%02d,view,%d,2\n"
    files = {f"e/{n}.csv": HEADER + line % (n, n) + line % (n + 9, n) for n in (1, 2, 3)}
    write(tmp_path, {"in/products.csv": PRODUCTS, **files})
    source = {"path": "e", "columns": {"quantity": "count(*) OVER (PARTITION BY user_id)"}}
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [source]}).data
    assert_equal_snapshots(tmp_path, data, InProcess())
    table = pq.read_table(tmp_path / "engine/data/snapshot/events/month=2026-01/part-0.parquet")
    assert set(table["quantity"].to_pylist()) == {6.0}


def test_units_are_files_ranges_of_rows_and_databases(tmp_path: Path, settings: Settings) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/1.csv": HEADER})
    write_parquet(tmp_path / "e/2.parquet", [("u", "i1", "2026-01-01", 1.0)] * 10)
    events = [{"path": "e/1.csv"}, {"path": "e/2.parquet", "columns": {"event": "'view'"}}]
    data = settings(
        sources={"products": [{"path": "in/products.csv"}], "events": events}, spark={"rows_per_task": 4}
    ).data
    opened = sources.OpenedSources()
    connection = staging.connect(data, tmp_path, tmp_path / "spill").sql
    sources.open_sources(connection, "events", data, tmp_path, opened, {})
    units = list(distribution.plan(opened, data))
    assert [(u.source, u.base, u.files[0].name, u.shape.rows) for u in units] == [
        (0, 0, "e/1.csv", None),
        (1, 1, "e/2.parquet", (0, 3)),
        (1, 1, "e/2.parquet", (3, 6)),
        (1, 1, "e/2.parquet", (6, 10)),
    ]


def test_errors_are_those_of_one_process(tmp_path: Path, settings: Settings) -> None:
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/1.csv": HEADER + b"u1,i1,never,view,1,1\n"})
    chosen = {"products": [{"path": "in/products.csv"}], "events": [{"path": "e"}]}
    with pytest.raises(QualityError, match=r"events: 1 of 1 rows \(100.0%\) broke a rule"):
        take_snapshot(
            settings(sources=chosen, max_bad_share=0.1).data, tmp_path, tmp_path / "a/b/s", tmp_path / "q",
            engine=InProcess(),
        )  # fmt: skip
    assert not list((tmp_path / "a/b/s").rglob("month=*"))
    chosen["events"] = [{"path": "e", "columns": {"quantity": "CAST(user_id AS INT)"}}]
    with pytest.raises(ContractError, match="TRY_CAST") as error:
        take_snapshot(settings(sources=chosen).data, tmp_path, tmp_path / "a/b/s", tmp_path / "q", engine=InProcess())
    assert "u1" not in str(error.value)
