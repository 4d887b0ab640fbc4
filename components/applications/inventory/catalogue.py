"""The shop's products as the forecast reads them: category levels, titles, prices, and stock where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.data.flat_files import read_flat_file, require_columns
from components.errors import ContractError
from components.ids import clean

if TYPE_CHECKING:
    import pandas as pd

MAX_LEVELS = 2  # of the category path that forecasts are summed up by
SEPARATOR = " > "
UNKNOWN = "?"


def category_levels(category: Sequence[str]) -> dict[str, list[str]]:
    """Return the first MAX_LEVELS levels of the category paths; no level where all products share one group."""
    levels: dict[str, list[str]] = {}
    for depth in range(1, MAX_LEVELS + 1):
        names = [SEPARATOR.join(path.split(SEPARATOR)[:depth]) if path else UNKNOWN for path in category]
        if len(set(names)) > 1 and names not in levels.values():
            levels[f"category_{depth}"] = names
    return levels


def align_products(products: pd.DataFrame, item_id: Sequence[str]) -> pd.DataFrame:
    """Return title, category and price of the products in this order; "" or NaN where the catalogue lacks them."""
    table = products.drop_duplicates("item_id", keep="last").set_index("item_id")[["title", "category", "price"]]
    table = table.reindex(list(item_id))
    return table.assign(title=table["title"].fillna(""), category=table["category"].fillna(""))


def read_stock(path: Path, item_id: Sequence[str]) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Return the stock of each product, NaN where the file does not name it, and counts of rows that were not used.

    The file is CSV, JSON Lines or Parquet with the columns item_id and stock, units at hand and on order. Ids are
    written as ingest writes them. The last row of a product counts. Raises ContractError where the file or a column is
    missing.
    """
    import pandas as pd

    if not path.is_file():
        raise ContractError(
            f"{path}: not there, expected stock by product; set inventory.stock_file, or leave it empty"
        )
    table = read_flat_file(path, "inventory.stock_file", as_text=True)
    require_columns(table, ["item_id", "stock"], f"inventory.stock_file {path}")
    ids_of_rows = pd.Series([clean(text or "") for text in table["item_id"].to_pylist()], dtype=object)
    units = pd.to_numeric(pd.Series(table["stock"].to_pylist(), dtype=object), errors="coerce").astype(float)
    good = np.isfinite(units) & (ids_of_rows != "")
    by_item = pd.Series(units[good].to_numpy(), index=ids_of_rows[good])
    by_item = by_item[~by_item.index.duplicated(keep="last")]
    stock = by_item.reindex(list(item_id))
    counts = {
        "stock_rows": table.num_rows,
        "stock_rows_invalid": int((~good).sum()),
        "stock_products_unknown": int((~by_item.index.isin(list(item_id))).sum()),
    }
    return stock.to_numpy(float), counts
