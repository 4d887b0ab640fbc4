"""applications/inventory: the files of a plan, written by the stage and read by the service and the command line.

products.parquet     one row per product: orders, stock, action; most urgent first
forecasts.parquet    one row per product and coming period: mean, interval, quantiles
record.json          ApplicationRecord
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.applications.inventory.plan import InventoryPlan
from components.applications.record import ApplicationRecord, find_application
from components.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

PRODUCTS, FORECASTS = "products.parquet", "forecasts.parquet"


@dataclass(frozen=True)
class PublishedInventory:
    """The content of a published folder."""

    record: ApplicationRecord
    products: list[dict[str, Any]]  # in the order of the file; None where a value is unknown
    rows: Mapping[str, int]  # item_id -> row of `products`
    forecasts: pd.DataFrame  # grouped by item_id, in the order of steps

    def select(self, action: str | None, category: str | None) -> list[dict[str, Any]]:
        """Return the products with this action, in this category or below it; None does not filter."""
        return [
            row
            for row in self.products
            if (action is None or row["action"] == action)
            and (category is None or row["category"] == category or row["category"].startswith(f"{category} > "))
        ]

    def forecast(self, item_id: str) -> list[dict[str, Any]]:
        """Return the coming periods of a product, in order; [] where it is not forecast."""
        found = self.forecasts[self.forecasts["item_id"] == item_id]
        return [clean_row(row) for row in found.drop(columns="item_id").to_dict("records")]


def write_plan(folder: Path, plan: InventoryPlan) -> None:
    """Write both tables; equal plans give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, table in ((PRODUCTS, plan.products), (FORECASTS, plan.forecasts)):
        content = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(content, folder / name, write_page_checksum=True)


def read_published(folder: Path) -> PublishedInventory:
    """Return the content of the folder; raises ContractError where a file is missing."""
    record = find_application(folder)
    missing = [name for name in (PRODUCTS, FORECASTS) if not (folder / name).is_file()]
    if record is None or missing:
        raise ContractError(
            f"{folder}: expected record.json, {PRODUCTS} and {FORECASTS}, missing: {missing or 'record.json'}; "
            "run `carousel inventory` again"
        )
    products = [clean_row(row) for row in _read(folder / PRODUCTS).to_dict("records")]
    rows = {str(row["item_id"]): number for number, row in enumerate(products)}
    return PublishedInventory(record, products, rows, _read(folder / FORECASTS))


def _read(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    return pq.read_table(path, page_checksum_verification=True).to_pandas()


def clean_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the row with None for what is not a number, so that it can be written as JSON."""
    return {
        str(key): None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
    }
