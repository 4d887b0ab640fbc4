"""Columns of every name are read, in files of every kind and in databases, whatever our own columns are called."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from components.data.selects import free_prefix
from components.errors import ContractError
from tests.components.data.support import Ingested, events_from

Ingest = Callable[..., Ingested]
NAMES = ["_row", "_file", "_broken", "_SELECTED", "_Raw", "_line", "_text", "_values", "__file", "line", "file_index",
         "filename", "rowid", "_rule", "_state", "_leads", "_number", "_is_user_id", "item_id_1"]  # fmt: skip
COLUMNS = {"user_id": "who", "item_id": "'i1'", "timestamp": "'2026-01-02'", "event": "'view'"}


@pytest.mark.parametrize("kind", ["csv", "csv, repaired", "jsonl", "jsonl, repaired", "parquet", "sqlite", "duckdb"])
def test_a_column_of_any_name_is_read(ingest: Ingest, tmp_path: Path, kind: str) -> None:
    row = {"who": "u1", **{name: f"v{n}" for n, name in enumerate(NAMES)}}
    columns = {**COLUMNS, "session_id": " || ".join(f'"{name}"' for name in NAMES)}
    more = {"columns": columns, "where": " AND ".join(f"\"{name}\" <> 'x'" for name in NAMES)}
    files: dict[str, bytes] = {}
    source: dict[str, Any] = {"path": "e", **more}
    select = "SELECT " + ", ".join(f"'{value}' AS \"{name}\"" for name, value in row.items())
    if kind.startswith("csv"):
        content = f"{','.join(row)}\n{','.join(row.values())}\n".encode()
        files = {"e/a.csv": content, "e/b.csv": content.replace(b"u1", b"u2") + (b"x\n" if "repaired" in kind else b"")}
    elif kind.startswith("jsonl"):
        line = json.dumps(row).encode() + b"\n"
        files = {
            "e/a.jsonl": line,
            "e/b.jsonl": line.replace(b"u1", b"u2") + (b"\xff\n" if "repaired" in kind else b""),
        }
    elif kind == "parquet":
        for user in ("u1", "u2"):
            duckdb.sql(f"COPY ({select.replace('u1', user)}) TO '{tmp_path}/made.parquet'")
            files[f"e/{user}.parquet"] = (tmp_path / "made.parquet").read_bytes()
    else:
        with sqlite3.connect(tmp_path / "s.sqlite") as one, duckdb.connect(str(tmp_path / "s.duckdb")) as other:
            for database in (one, other):
                database.execute(f"CREATE TABLE e AS {select} UNION ALL {select.replace('u1', 'u2')}")
        one.close()
        table = "e" if kind == "sqlite" else "$db.e"
        source = {"attach": f"s.{kind}", "type": kind, "query": f"SELECT * FROM {table}", **more}
    taken = ingest(files, sources=events_from(**source))
    wanted = "".join(f"v{n}" for n in range(len(NAMES)))
    assert [(r["user_id"], r["session_id"]) for r in taken.rows()] == [("u1", wanted), ("u2", wanted)]
    assert len(taken.bad()) == ("repaired" in kind)


def test_columns_of_any_name_beside_unnested_lists(ingest: Ingest) -> None:
    line = json.dumps({"who": "u1", "skus": ["i1", "i2"], "_row": "a", "_file": "b", "_number": "c", "rowid": "d"})
    columns = {**COLUMNS, "item_id": "unnest(json_extract_string(skus, '$[*]'))",
               "session_id": "_row || _file || _number || rowid"}  # fmt: skip
    taken = ingest({"in/e.jsonl": f"{line}\n{{\n".encode()}, sources=events_from(path="in/e.jsonl", columns=columns))
    assert [(r["item_id"], r["session_id"]) for r in taken.rows()] == [("i1", "abcd"), ("i2", "abcd")]
    assert [b["row"] for b in taken.bad()] == [2]


def test_the_prefix_of_our_columns_is_none_of_the_shop() -> None:
    assert free_prefix(["a", "b"]) == "_"
    assert free_prefix(["a", "_ROW", "__x"]) == "___"


def test_a_column_that_only_some_files_have_is_null_in_the_others_and_said(ingest: Ingest) -> None:
    files = {"e/1.csv": b"who,coupon\nu1,A\n", "e/2.csv": b"who\nu2\n"}
    sources = events_from(path="e", columns={**COLUMNS, "session_id": "coupon"})
    taken = ingest(files, sources=sources)
    assert [(r["user_id"], r["session_id"]) for r in taken.rows()] == [("u1", "A"), ("u2", None)]
    assert taken.quality["events"].sources[0].notes == ["e/2.csv has no column coupon"]
    with pytest.raises(ContractError, match=r"where: e/2\.csv: .*\"coupon\" not found.*columns are \"who\""):
        ingest(files, sources=events_from(path="e", columns=COLUMNS, where="coupon <> 'B'"))


def test_parquet_files_keep_their_own_types(ingest: Ingest, tmp_path: Path) -> None:
    files = {}
    for name, user, lists in (("1", "7::BIGINT", "['i1']"), ("2", "'x'", "['i1', 'i2']"), ("3", "9::BIGINT", None)):
        more = f", {lists} AS skus" if lists else ""
        duckdb.sql(f"COPY (SELECT {user} AS who{more}) TO '{tmp_path}/made.parquet'")
        files[f"e/{name}.parquet"] = (tmp_path / "made.parquet").read_bytes()
    taken = ingest(files, sources=events_from(path="e", columns={**COLUMNS, "item_id": "unnest(skus)"}))
    assert [(r["user_id"], r["item_id"]) for r in taken.rows()] == [("7", "i1"), ("x", "i1"), ("x", "i2")]
    assert (taken.counts().read, taken.counts().valid, taken.counts().empty) == (3, 2, 1)
    assert taken.quality["events"].sources[0].notes == ["e/3.parquet has no column skus"]
