"""Databases give the same tables as files; passwords are never shown."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import ContractError
from tests.components.data.support import NAMES, ROWS, WANTED, Ingested, events_from

Ingest = Callable[..., Ingested]


def test_sqlite_is_read_by_its_query(ingest: Ingest, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop #1.db") as database:
        database.execute(f"CREATE TABLE e ({', '.join(NAMES)})")
        database.executemany(
            "INSERT INTO e VALUES (?, ?, ?, ?, ?, ?)", [*ROWS, ("u3", b"i\xff", "2026-01-04", "view", 1, 1)]
        )
    database.close()
    source = {"attach": "shop #1.db", "type": "sqlite", "query": "SELECT * FROM e ORDER BY user_id"}
    taken = ingest({}, sources=events_from(**source), max_unknown_share=1.0)
    assert taken.rows(columns=list(NAMES)) == WANTED
    assert [(b["file"], b["row"], b["rule"]) for b in taken.bad()] == [("shop #1.db", 3, "item_id: not in products")]


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
