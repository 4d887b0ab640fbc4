"""Category levels, and the file of stock."""

from pathlib import Path

import numpy as np
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


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="not there, expected stock by product"):
        read_stock(tmp_path / "none.csv", [])
    (tmp_path / "bad.csv").write_text("sku,stock\n1,2\n")
    with pytest.raises(ContractError, match=r"\['item_id'\] is missing"):
        read_stock(tmp_path / "bad.csv", [])
