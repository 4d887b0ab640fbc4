"""GET /inventory and GET /inventory/{item_id}: what to order, and the forecast of one product."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI, Query

from components.applications.inventory.published import PublishedInventory, read_published
from components.serving.http.problems import ERRORS_404, ProblemError
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication
from components.serving.schemas import Reply

MAX_ROWS = 500  # of a page
Action = Literal["order", "check stock", "discount", "stop ordering", "new product", "none"]


class InventoryProduct(Reply):
    """What to do about one product; null where a value is unknown."""

    item_id: str
    title: str | None
    category: str | None
    action: Action
    method: str
    """model, a simple method, or text_neighbours for a new product."""
    demand_per_day: float | None
    usual_per_day: float | None
    reorder_point: float | None
    """Units: order when the stock is at or below it."""
    order_up_to: float | None
    order_quantity: float | None
    """Units; 0 where the stock is known and above the reorder point."""
    stock: float | None
    days_of_cover: float | None
    stockout_probability: float | None
    """Within lead time and review, without an order."""
    days_since_sale: float | None
    price: float | None
    holding_cost_per_year: float | None


class InventoryAnswer(Reply):
    """One page of the list."""

    as_of: str
    total: int
    """Products that the filters leave."""
    items: list[InventoryProduct]


class ForecastPeriod(Reply):
    """The expected demand of one period, its 90 % interval, and its quantiles; null where they are unknown."""

    step: int
    start: str
    mean: float
    low: float | None
    high: float | None
    q05: float | None
    q25: float | None
    q50: float | None
    q75: float | None
    q90: float | None
    q95: float | None


class ForecastAnswer(Reply):
    """The forecast of one product."""

    as_of: str
    product: InventoryProduct
    periods: list[ForecastPeriod]


def add_inventory(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes; what is published lies beside the service's own folder."""
    published = PublishedApplication(service.watcher.folder.parent, "inventory", read_published)

    async def read() -> PublishedInventory:
        found = await service.workers.run_in_worker(published)
        if found is None:
            raise ProblemError(404, "nothing is published; run `carousel inventory`")
        return found

    @app.get("/inventory", tags=["Applications"], responses=ERRORS_404)
    async def inventory(
        action: Action | None = None,
        category: Annotated[str | None, Query(max_length=400)] = None,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 50,
    ) -> InventoryAnswer:
        """Return products with what to order, most urgent first; of one action, or of a category and those below it."""
        found = await read()
        rows = found.select(action, category)
        items = [InventoryProduct.model_validate(row) for row in rows[offset : offset + limit]]
        return InventoryAnswer(as_of=found.record.as_of, total=len(rows), items=items)

    @app.get("/inventory/{item_id:path}", tags=["Applications"], responses=ERRORS_404)
    async def inventory_item(item_id: str) -> ForecastAnswer:
        """Return the expected demand of a product in the coming periods, with quantiles."""
        found = await read()
        row = found.rows.get(item_id)
        if row is None:
            raise ProblemError(404, "this product has no forecast")
        product = InventoryProduct.model_validate(found.products[row])
        periods = [ForecastPeriod.model_validate(period) for period in found.forecast(item_id)]
        return ForecastAnswer(as_of=found.record.as_of, product=product, periods=periods)
