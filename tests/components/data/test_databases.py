"""Databases give the same tables as files; passwords are never shown."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import ContractError
from tests.components.data.support import HEADER, NAMES, ROWS, WANTED, Ingested, events_from, good, quarantined

EVENT_RULE = "event: not one of view, cart, purchase, return, impression, click"
Ingest = Callable[..., Ingested]


def test_sqlite_is_read_by_its_query(ingest: Ingest, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop #1.db") as database:
        database.execute(f"CREATE TABLE e ({', '.join(NAMES)})")
        database.executemany(
            "INSERT INTO e VALUES (?, ?, ?, ?, ?, ?)", [*ROWS, ("u3", "i9", "2026-01-04", "wish", 1, 1)]
        )
    database.close()
    source = {"attach": "shop #1.db", "type": "sqlite", "query": "SELECT * FROM e ORDER BY user_id"}
    taken = ingest({}, sources=events_from(**source), max_unknown_share=1.0)
    assert taken.rows(columns=list(NAMES)) == WANTED
    assert [(b["file"], b["row"], b["rule"]) for b in taken.bad()] == [("shop #1.db", 3, EVENT_RULE)]


@pytest.mark.parametrize("query", ["SELECT * FROM nowhere", "SELECT 1 AS a, 2 AS A", "DELETE FROM e"])
def test_wrong_sqlite_query_is_named(ingest: Ingest, tmp_path: Path, query: str) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE e (a)")
    database.close()
    with pytest.raises(ContractError, match=r"shop\.db"):
        ingest({}, sources=events_from(attach="shop.db", type="sqlite", query=query))


def test_duckdb_is_attached(ingest: Ingest, tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.execute("CREATE TABLE e AS SELECT * FROM (VALUES ('u1', 'i1', TIMESTAMP '2026-01-02', 'view')) "
                         "t(user_id, item_id, timestamp, event)")  # fmt: skip
    source = {"attach": "${SHOP}", "type": "duckdb", "query": "SELECT * FROM $db.e"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP", str(tmp_path / "shop.duckdb"))
        taken = ingest({}, sources=events_from(**source))
    assert [r["user_id"] for r in taken.rows()] == ["u1"]


def test_missing_database_and_variable_are_named(ingest: Ingest) -> None:
    for attach, says in (("no.db", r"no\.db"), ("${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE")):
        with pytest.raises(ContractError, match=says):
            ingest({}, sources=events_from(attach=attach, type="sqlite", query="SELECT 1"))


def test_the_error_about_a_server_does_not_show_its_password(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DSN", "postgresql://shop:secret@127.0.0.1:1/shop")
    source = {"attach": "${SHOP_DSN}", "type": "postgres", "query": "SELECT * FROM $db.events"}
    with pytest.raises(ContractError, match=r"cannot attach \$\{SHOP_DSN\}") as error:
        ingest({}, sources=events_from(**source))
    assert "secret" not in str(error.value)


def make_sqlite(path: Path, table: str, rows: list[tuple[Any, ...]]) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE {table}")
        for row in rows:
            database.execute(f"INSERT INTO {table.split()[0]} VALUES ({', '.join('?' * len(row))})", row)
    database.close()


def test_text_of_sqlite_that_is_not_utf8_is_quarantined(ingest: Ingest, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE p (item_id TEXT, title TEXT, note TEXT)")
        for number, title in enumerate(("4772", "54C3A96C", "C9636F6C65"), 1):  # "Gr", "Tél", "École" in Latin-1
            database.execute(f"INSERT INTO p VALUES ('i{number}', CAST(x'{title}' AS TEXT), NULL)")
    database.close()
    products = {"attach": "shop.db", "type": "sqlite", "query": "SELECT * FROM p"}
    taken = ingest(
        {"in/events.csv": HEADER + good()}, sources={"products": [products], "events": [{"path": "in/events.csv"}]}
    )
    assert [(p["item_id"], p["title"]) for p in taken.rows("products")] == [("i1", "Gr"), ("i2", "T\u00e9l")]
    bad = taken.bad("products")
    assert [(b["row"], b["rule"]) for b in bad] == [(3, "line: not UTF-8")]
    assert "\\\\xc9cole" in bad[0]["raw"]


def test_real_numbers_of_sqlite_are_the_ids_that_they_were(ingest: Ingest, tmp_path: Path) -> None:
    rows = [(17850.0, "i1"), (None, "i1"), (2.0**53, "i1"), (12.5, "i1"), (13047.0, "i2")]
    make_sqlite(tmp_path / "shop.db", "e (customer REAL, item_id TEXT)", rows)
    query = "SELECT *, '2026-01-02' AS timestamp, 'view' AS event FROM e"
    source = {"attach": "shop.db", "type": "sqlite", "query": query, "columns": {"user_id": "customer"}}
    taken = ingest({}, sources=events_from(**source))
    assert [r["user_id"] for r in taken.rows()] == ["17850", "13047"]
    assert taken.rules["events"] == {
        "user_id: missing": 1,
        "user_id: number with a fraction": 1,
        "user_id: floating-point number above 2^53: digits are lost, export the column as text": 1,
    }


def test_bytes_of_sqlite_that_are_no_text_are_refused_with_a_way_out(ingest: Ingest, tmp_path: Path) -> None:
    make_sqlite(tmp_path / "shop.db", "e (user BLOB, item_id TEXT)", [(bytes(range(200, 216)), "i1")])
    source: dict[str, Any] = {
        "attach": "shop.db",
        "type": "sqlite",
        "columns": {"timestamp": "'2026-01-02'", "event": "'view'"},
    }
    source["query"] = "SELECT * FROM e"
    with pytest.raises(ContractError, match="expected rows"):
        ingest({}, sources=events_from(**{**source, "columns": {**source["columns"], "user_id": "user"}}))
    (row,) = quarantined(tmp_path).to_pylist()
    assert row["rule"].startswith("user_id: not UTF-8; for a UUID in bytes write CAST(hex(column) AS UUID)")
    uuid = {**source["columns"], "user_id": "CAST(hex(user) AS UUID)"}
    taken = ingest({}, sources=events_from(**{**source, "columns": uuid}))
    assert [r["user_id"] for r in taken.rows()] == ["c8c9cacb-cccd-cecf-d0d1-d2d3d4d5d6d7"]
