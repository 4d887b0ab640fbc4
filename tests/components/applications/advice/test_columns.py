"""What is seen of files: tables by header, values without markers of nothing, nested records, and what is refused."""

from pathlib import Path

import pytest

from components.applications.advice.columns import alias_of
from components.errors import ContractError
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def test_files_of_one_header_are_one_table(tmp_path: Path) -> None:
    with looked_at(shops.month_files(tmp_path / "shop"), tmp_path) as (looked, _):
        (table,) = looked.tables
        assert table.n_rows == sum(1 for _ in shops.purchases())
        assert table.paths == tuple(f"shop/sales_2025-0{month}.csv" for month in (1, 2, 3, 4, 5))
        assert looked.connection.execute(
            f"SELECT count(DISTINCT {alias_of(table, table.column('StockCode'))}) FROM {table.view}"
        ).fetchone() == (30,)


def test_markers_of_nothing_are_no_values(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/a.csv", "id,note", ["1,NULL", "2,n/a", "3, ", "4,fine", "5,nan"])
    with looked_at(tmp_path / "shop", tmp_path) as (looked, _):
        note = looked.tables[0].column("note")
        assert (note.n_values, note.values, note.counts) == (1, ("fine",), (1,))


def test_the_list_of_each_record_is_a_table_of_its_own(tmp_path: Path) -> None:
    with looked_at(shops.nested(tmp_path / "shop"), tmp_path) as (looked, _):
        outer, inner = looked.tables
        assert (outer.name, outer.each) == ("orders.jsonl", None)
        assert (inner.name, inner.each) == ("orders.jsonl (line_items)", "json_extract(line_items, '$[*]')")
        assert inner.n_rows == 2 * outer.n_rows
        assert inner.source() == {"path": "shop/orders.jsonl", "each": inner.each}


def test_each_table_of_a_database_is_seen(tmp_path: Path) -> None:
    with looked_at(shops.database(tmp_path / "shop"), tmp_path) as (looked, _):
        assert [t.name for t in looked.tables] == [
            "shop.sqlite:orders",
            "shop.sqlite:order_lines",
            "shop.sqlite:products",
        ]
        assert looked.tables[2].source() == {
            "attach": "shop/shop.sqlite",
            "type": "sqlite",
            "query": 'SELECT * FROM "products"',
        }


def test_files_that_cannot_be_read_are_named_or_refused(tmp_path: Path) -> None:
    with looked_at(shops.ratings_by_day(tmp_path / "shop"), tmp_path) as (looked, _):
        assert [str(n).partition(" (")[0].rpartition("/")[2] for n in looked.not_read] == ["provenance.txt"]
    (tmp_path / "broken.sqlite").write_text("no database")
    with (
        pytest.raises(ContractError, match="expected an SQLite database"),
        looked_at(tmp_path / "broken.sqlite", tmp_path),
    ):
        pass
    shops.write(tmp_path / "bare/a.csv", "1,2,2025-01-01", ["2,3,2025-01-02"])
    with pytest.raises(ContractError, match="first line with column names"), looked_at(tmp_path / "bare", tmp_path):
        pass
