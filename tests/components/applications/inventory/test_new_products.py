"""Products that came lately are forecast by those with similar texts."""

import numpy as np
import pandas as pd
import pytest

from components.applications.inventory.new_products import add_new_products, find_new
from components.applications.inventory.panel import Panel
from components.applications.inventory.plan import NEIGHBOURS, InventoryPlan
from components.applications.inventory.stockouts import NEVER
from components.times import DAY_US

N_PERIODS = 20
END = pd.Timestamp(0, unit="us") + pd.Timedelta(days=7 * N_PERIODS)


def panel() -> Panel:
    """Return 20 red teapots that sell 8 a week and 20 blue cups that sell 2, and a teapot of two weeks."""
    quantity = np.repeat(np.array([8.0] * 20 + [2.0] * 20 + [9.0])[:, None], N_PERIODS, axis=1).astype(np.float32)
    quantity[:, :5] = 0  # the first periods of a product are known where it came after the data begin
    quantity[-1, :-2] = 0
    zero = np.zeros_like(quantity)
    names = [f"t{n:02}" for n in range(20)] + [f"c{n:02}" for n in range(20)] + ["t-new"]
    starts = np.arange(N_PERIODS, dtype=np.int64) * 7 * DAY_US
    return Panel(names, quantity, quantity, quantity, zero, zero, np.full(quantity.shape, NEVER, np.int32), starts, 7)


def products() -> pd.DataFrame:
    names = [*panel().item_id, "c-unsold", "t-unsold", "old-unsold"]
    title = ["red tea pot" if name.startswith("t") else "blue cup" for name in names]
    days = [400 if name in panel().item_id else 300 if name == "old-unsold" else 3 for name in names]
    return pd.DataFrame(
        {"item_id": names, "title": title, "category": "", "price": 5.0,
         "timestamp": [END - pd.Timedelta(days=d) for d in days]}
    )  # fmt: skip


def plan() -> InventoryPlan:
    known = [name for name in panel().item_id if name != "t-new"]
    table = pd.DataFrame({"item_id": known, "action": "none", "method": "model", "demand_per_day": 1.0})
    table = table.assign(price=5.0, stock=1.0)
    coming = pd.DataFrame({"item_id": known, "step": 1, "start": "x", "mean": 1.0, "low": 0.0})
    return InventoryPlan(table, coming)


def test_new_are_those_sold_or_listed_lately_without_a_row() -> None:
    assert find_new(plan(), panel(), products(), 28) == ["c-unsold", "t-new", "t-unsold"]
    assert find_new(plan(), panel(), products(), 2) == []


def test_they_get_the_first_weeks_of_their_text_neighbours_and_no_quantiles() -> None:
    found = add_new_products(plan(), panel(), products(), 2, 28)
    rows = found.products.set_index("item_id").loc[["t-unsold", "c-unsold"]]
    assert rows["method"].tolist() == [NEIGHBOURS] * 2
    assert rows["action"].tolist() == ["new product"] * 2
    assert rows["demand_per_day"].tolist() == pytest.approx([8 / 7, 2 / 7], rel=0.2)
    assert rows["stock"].isna().all()
    coming = found.forecasts[found.forecasts["item_id"] == "t-unsold"]
    assert coming["step"].tolist() == [1, 2]
    assert coming["low"].isna().all()
    assert found.forecasts.dtypes.equals(plan().forecasts.dtypes)


def test_without_new_products_the_plan_stays() -> None:
    own = plan()
    assert add_new_products(own, panel(), products(), 2, 1) is own
