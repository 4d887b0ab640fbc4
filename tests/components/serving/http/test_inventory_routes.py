"""GET /inventory and GET /inventory/{item_id}."""

from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from components.applications.inventory.plan import InventoryPlan
from components.applications.inventory.published import write_plan
from components.applications.publish import publish
from components.applications.record import ApplicationRecord, write_application
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher

ROW = {
    "item_id": "sku-1", "title": "Red tea pot", "category": "kitchen > tea", "action": "order", "method": "model",
    "demand_per_day": 2.0, "usual_per_day": 1.5, "reorder_point": 50.0, "order_up_to": 64.0, "order_quantity": 44.0,
    "stock": 20.0, "days_of_cover": 10.0, "stockout_probability": 0.9, "gap_probability": 1.0, "days_since_sale": 0,
    "price": 4.0, "holding_cost_per_year": 20.0,
}  # fmt: skip
OTHER = {**ROW, "item_id": "sku/2", "action": "none", "category": "lamps", "stock": float("nan")}
PERIOD = {"item_id": "sku/2", "step": 1, "start": "2026-03-01T00:00:00+00:00", "mean": 14.0, "low": 9.0, "high": 20.0}
QUANTILES = {"q05": 9.0, "q25": 12.0, "q50": 14.0, "q75": 16.0, "q90": 18.0, "q95": float("nan")}


@pytest.fixture(autouse=True)
def _published(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, watcher: ModelWatcher, tmp_path: Path
) -> None:
    monkeypatch.setattr(published, "CHECK_S", 0.0)
    root = tmp_path / "checkout"
    write_plan(
        root / "applications/inventory", InventoryPlan(pd.DataFrame([ROW, OTHER]), pd.DataFrame([PERIOD | QUANTILES]))
    )
    record = ApplicationRecord(
        application="inventory",
        as_of="2026-03-01T00:00:00+00:00",
        simulated=True,
        ships="model",
        reasons=[],
        metrics={},
    )
    write_application(root, record)
    if "without" not in request.node.name:
        publish(root, "inventory", watcher.folder.parent)


def test_the_list_is_paged_and_filtered(client: TestClient) -> None:
    body = client.get("/inventory").json()
    assert (body["total"], body["as_of"]) == (2, "2026-03-01T00:00:00+00:00")
    assert [item["item_id"] for item in body["items"]] == ["sku-1", "sku/2"]
    assert body["items"][1]["stock"] is None
    page = client.get("/inventory", params={"offset": 1, "limit": 1}).json()
    assert (page["total"], [item["item_id"] for item in page["items"]]) == (2, ["sku/2"])
    assert client.get("/inventory", params={"action": "order"}).json()["total"] == 1
    assert client.get("/inventory", params={"category": "kitchen"}).json()["items"][0]["item_id"] == "sku-1"
    assert client.get("/inventory", params={"limit": 0}).status_code == 422


def test_a_product_and_its_periods(client: TestClient) -> None:
    body = client.get("/inventory/sku%2F2").json()
    assert body["product"]["reorder_point"] == 50
    (period,) = body["periods"]
    assert (period["mean"], period["q50"], period["q95"]) == (14, 14, None)
    assert client.get("/inventory/none").status_code == 404


def test_without_anything_published_the_answer_is_404(client: TestClient) -> None:
    assert client.get("/inventory").status_code == 404
