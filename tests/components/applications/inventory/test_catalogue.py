"""Category levels, and the file of stock."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.applications.inventory.catalogue import category_levels, read_stock
from components.errors import ContractError


def test_levels_of_categories() -> None:
    assert category_levels(["a > b > c", "a > d", ""]) == {
        "category_1": ["a", "a", "?"],
        "category_2": ["a > b", "a > d", "?"],
    }
    assert category_levels(["all", "all"]) == {}
    assert list(category_levels(["a", "b"])) == ["category_1"]  # the second level would be the same


def test_stock_by_product(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("item_id,stock\n007,3\n007,4\nb,x\nz,1\n")
    stock, counts = read_stock(path, ["007", "b"])
    np.testing.assert_array_equal(stock, [4, np.nan])
    assert counts == {"stock_rows": 4, "stock_rows_invalid": 1, "stock_products_unknown": 1}


def test_ids_of_stock_are_text_as_ingest_writes_it(tmp_path: Path) -> None:
    """No id is read as a missing value or a number."""
    ids, wanted = ["NA", "nan", "0010", "17"], [5, 6, 7, 8]
    (tmp_path / "stock.csv").write_text("item_id,stock\nNA,5\nnan,6\n 0010 ,7\n17.0,8\n,9\n")
    (tmp_path / "stock.jsonl").write_text(
        "".join(json.dumps({"item_id": i, "stock": n}) + "\n" for i, n in zip(ids, wanted, strict=True))
    )
    pq.write_table(pa.table({"item_id": [17.0, 3.0], "stock": [8, 1]}), tmp_path / "stock.parquet")
    stock, counts = read_stock(tmp_path / "stock.csv", ids)
    np.testing.assert_array_equal(stock, wanted)
    assert counts == {"stock_rows": 5, "stock_rows_invalid": 1, "stock_products_unknown": 0}
    np.testing.assert_array_equal(read_stock(tmp_path / "stock.jsonl", ids)[0], wanted)
    np.testing.assert_array_equal(read_stock(tmp_path / "stock.parquet", ids)[0], [np.nan] * 3 + [8])


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="not there, expected stock by product"):
        read_stock(tmp_path / "none.csv", [])
    (tmp_path / "bad.csv").write_text("sku,stock\n1,2\n")
    with pytest.raises(ContractError, match=r"no column item_id; it has sku, stock"):
        read_stock(tmp_path / "bad.csv", [])
