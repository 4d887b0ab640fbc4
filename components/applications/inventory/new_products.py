"""Rows of the plan for products that are too new for a forecast of their own: their text neighbours forecast them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.applications.inventory.catalogue import align_products
from components.applications.inventory.neighbours import forecast_new, text_vectors
from components.applications.inventory.panel import Panel
from components.applications.inventory.plan import NEIGHBOURS, InventoryPlan
from components.contracts import FloatArray
from components.times import DAY_US, to_iso

if TYPE_CHECKING:
    import pandas as pd

ACTION = "new product"


def add_new_products(
    plan: InventoryPlan, panel: Panel, products: pd.DataFrame, horizon: int, within_days: float
) -> InventoryPlan:
    """Return the plan with rows of products that came within so many days and have no row yet.

    A product came with its first sale, or, unsold, at its time in the catalogue. Its rows have a mean and no quantiles.
    """
    import pandas as pd

    names = find_new(plan, panel, products, within_days)
    if not names:
        return plan
    texts = align_products(products, [*panel.item_id, *names])
    vectors = text_vectors(
        [f"{title} {category}" for title, category in zip(texts["title"], texts["category"], strict=True)]
    )
    n_known = len(panel.item_id)
    mean = forecast_new(panel, vectors[:n_known], vectors[n_known:], horizon)
    rows = pd.DataFrame(
        {
            "item_id": names,
            "action": ACTION,
            "method": NEIGHBOURS,
            "demand_per_day": mean.mean(axis=1).astype(float) / panel.period_days,
            "price": texts["price"].to_numpy(float)[n_known:],
        }
    )
    table = pd.concat([plan.products, rows.reindex(columns=plan.products.columns)], ignore_index=True)
    coming = _forecast_rows(panel, names, mean).reindex(columns=plan.forecasts.columns)
    coming = coming.astype(plan.forecasts.dtypes.to_dict())  # columns without a value, too
    return InventoryPlan(table, pd.concat([plan.forecasts, coming], ignore_index=True))


def find_new(plan: InventoryPlan, panel: Panel, products: pd.DataFrame, within_days: float) -> list[str]:
    """Return the ids of products without a row in the plan that came within so many days before its end, sorted."""
    end = int(panel.starts[-1]) + panel.period_days * DAY_US
    start = end - int(within_days * DAY_US)
    first_sale = panel.starts[panel.first]
    sold = {name for name, at in zip(panel.item_id, first_sale.tolist(), strict=True) if at >= start}
    at = products["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    recent = products["item_id"][(at >= start) & (at < end)]  # a missing time is far in the past
    unsold = set(recent.astype(str)) - set(panel.item_id)
    return sorted((sold | unsold) - set(plan.products["item_id"]))


def _forecast_rows(panel: Panel, names: list[str], mean: FloatArray) -> pd.DataFrame:
    import pandas as pd

    n, horizon = mean.shape
    width = panel.period_days * DAY_US
    starts = [to_iso(int(panel.starts[-1]) + width * (step + 1)) for step in range(horizon)]
    return pd.DataFrame(
        {
            "item_id": np.repeat(np.array(names, dtype=object), horizon),
            "step": np.tile(np.arange(1, horizon + 1), n),
            "start": np.tile(np.array(starts, dtype=object), n),
            "mean": mean.ravel(),
        }
    )
