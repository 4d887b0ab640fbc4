"""Tables of lists: replaced in one transaction, on SQLite and PostgreSQL."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from components.errors import ContractError
from components.offline.database import ListTable, is_address
from components.offline.files import READ_COLUMNS
from components.offline.parts import SCHEMA


def rows(n_lists: int) -> pa.Table:
    lines = [
        {
            "list_id": f"x-{n}",
            "user_id": f"u-{n}",
            "position": 1,
            "item_id": "p",
            "score": 0.5,
            "model": "m",
            "reason": None,
        }
        for n in range(n_lists)
    ]
    return pa.Table.from_pylist(lines, SCHEMA)


def read(table: ListTable) -> list[dict[str, object]]:
    return [row for part in table.read() for row in part.to_pylist()]


@pytest.mark.parametrize("kind", ["file", "database"])
def test_a_table_is_replaced_with_its_manifest(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = f"sqlite:///{tmp_path}/shop.db"
    if kind == "database":
        address = request.getfixturevalue("postgres").create_database()
    table = ListTable(address, "lists")
    assert table.read_manifest() is None
    table.replace([rows(3), rows(0)], lambda: "first")
    table.replace([rows(2)], lambda: "second")
    assert table.read_manifest() == "second"
    assert read(table) == [{name: row[name] for name in READ_COLUMNS} for row in rows(2).to_pylist()]


def test_a_failure_leaves_the_earlier_table(tmp_path: Path) -> None:
    table = ListTable(f"sqlite:///{tmp_path}/shop.db", "lists")
    table.replace([rows(3)], lambda: "first")

    def fail() -> str:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        table.replace([rows(1)], fail)
    assert (len(read(table)), table.read_manifest()) == (3, "first")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("DROP TABLE lists_manifest")
        database.execute("CREATE VIEW lists_manifest AS SELECT 1")  # DROP TABLE fails, after the lists were renamed
        database.commit()
    with pytest.raises(ContractError, match="the earlier lists, if any, are unchanged"):
        table.replace([rows(1)], lambda: "second")
    assert len(read(table)) == 3


def test_wrong_addresses_and_names_are_errors(tmp_path: Path) -> None:
    assert (is_address("sqlite:///x.db"), is_address("out/lists.csv")) == (True, False)
    with pytest.raises(ContractError, match="mysql: expected sqlite or postgresql"):
        ListTable("mysql://shop/db", "lists")
    with pytest.raises(ContractError, match="table 'a;b'"):
        ListTable("sqlite:///x.db", "a;b")
    with pytest.raises(ContractError, match="expected the URL of a database"):
        ListTable("://", "lists")
    table = ListTable(f"sqlite:///{tmp_path}/none/x.db", "lists")
    with pytest.raises(ContractError, match="unable to open database file; the earlier lists, if any, are unchanged"):
        table.replace([rows(1)], lambda: "")
    assert "s3cret" not in ListTable("postgresql://shop:s3cret@host/db", "lists").where
