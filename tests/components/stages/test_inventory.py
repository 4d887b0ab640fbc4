"""The stage on a small shop: the plan, its record, and what it refuses to ship."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components import params
from components.applications.inventory.published import read_published
from components.data.snapshot import take_snapshot
from components.params import Params
from components.stages.inventory import forecast_inventory, main

ROOT = Path(__file__).parents[3]
N_ITEMS, N_DAYS = 40, 7 * 26
END = pd.Timestamp("2026-03-01")
RATES = np.concatenate([[0.0, 0.0], np.linspace(0.2, 3, N_ITEMS - 2)])  # purchases per day; the first two are new


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """Return a checkout with the snapshot of a shop with steady demand, and its parameters."""
    root = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.repeat(RATES[:, None], N_DAYS, axis=1))
    counts[1, -3:] = 2  # the second product is three days old; the first is in the catalogue only
    item, day = np.nonzero(counts)
    repeat = np.repeat(np.arange(len(item)), counts[item, day])
    at = (
        END
        - pd.to_timedelta(N_DAYS - day[repeat], unit="D")
        + pd.to_timedelta(rng.integers(0, 80_000, len(repeat)), "s")
    )
    events = pd.DataFrame(
        {
            "user_id": [f"u{number % 97}" for number in range(len(repeat))],
            "item_id": [f"p{number:02}" for number in item[repeat]],
            "timestamp": at,
            "event": "purchase",
            "quantity": 1 + rng.poisson(0.5, len(repeat)),
            "price": 2.0,
        }
    )
    events.sort_values("timestamp").to_csv(root / "events.csv", index=False)
    kinds = ["tea", "cup"]
    products = pd.DataFrame({"item_id": [f"p{n:02}" for n in range(N_ITEMS)], "price": 2.0})
    products["title"] = [f"{kinds[n % 2]} number {n}" for n in range(N_ITEMS)]
    products["category"] = [f"kitchen > {kinds[n % 2]}" for n in range(N_ITEMS)]
    products["timestamp"] = [END - timedelta(days=2 if n == 0 else 300) for n in range(N_ITEMS)]
    products.to_csv(root / "products.csv", index=False)
    (root / "stock.csv").write_text("item_id,stock\np39,1\np38,100000\np37,many\nunknown,5\n")
    sources = "{products: [{path: products.csv}], events: [{path: events.csv}]}"
    lines = ["data.simulated=false", "data.as_of=2026-03-01T00:00:00Z", f"data.sources={sources}"]
    lines += ["inventory.stock_file=stock.csv", "inventory.trees=20", "inventory.test_origins=2"]
    loaded = params.load(ROOT / "params.yaml", overrides=lines)
    take_snapshot(loaded.data, root, root / "data/snapshot", root / "data/quarantine")
    return root, loaded


@pytest.fixture(scope="module")
def done(shop: tuple[Path, Params]) -> Path:
    root, loaded = shop
    forecast_inventory(root, loaded, root)
    return root


def test_each_product_gets_a_forecast_and_an_order(done: Path) -> None:
    found = read_published(done / "applications/inventory")
    assert found.record.ships == "model"
    assert found.record.counts["stock_rows_invalid"] == 1
    assert found.record.counts["stock_products_unknown"] == 1
    assert found.products[0]["item_id"] == "p39"  # its stock is about to end
    assert found.products[0]["action"] == "order"
    assert found.products[0]["order_quantity"] > 60  # 4.5 units a day, over four weeks
    assert found.products[found.rows["p38"]]["action"] == "discount"
    dense = found.products[found.rows["p35"]]
    assert dense["stock"] is None
    np.testing.assert_allclose(dense["demand_per_day"], 1.5 * RATES[35], rtol=0.25)
    assert dense["reorder_point"] > 21 * dense["demand_per_day"]
    periods = found.forecast("p35")
    assert [period["step"] for period in periods] == [1, 2, 3, 4]
    assert periods[0]["start"] == "2026-03-01T00:00:00+00:00"
    assert all(p["q05"] <= p["q50"] <= p["q95"] and p["low"] < p["mean"] < p["high"] for p in periods)


def test_new_products_are_forecast_by_their_neighbours(done: Path) -> None:
    found = read_published(done / "applications/inventory")
    for name in ("p00", "p01"):
        assert found.products[found.rows[name]]["action"] == "new product"
        assert found.forecast(name)[0]["q50"] is None


def test_the_list_can_be_filtered(done: Path) -> None:
    found = read_published(done / "applications/inventory")
    assert {row["item_id"] for row in found.select("new product", None)} == {"p00", "p01"}
    assert all(row["category"] == "kitchen > tea" for row in found.select(None, "kitchen > tea"))
    assert len(found.select(None, "kitchen")) == len(found.products)


def test_the_report_shows_every_method_and_no_script(done: Path) -> None:
    page = (done / "reports/inventory/report.html").read_text()
    assert "The model&#39;s forecasts ship." in page or "The model's forecasts ship." in page
    assert all(name in page for name in ("seasonal naive", "croston", "exponential smoothing", "<svg"))
    assert "<script" not in page
    metrics = json.loads((done / "reports/inventory/metrics.json").read_bytes())
    assert metrics["origins"] == 2
    assert metrics["model/quantile_loss"] < metrics["seasonal_naive/quantile_loss"]


def test_the_same_shop_gives_the_same_bytes(done: Path, shop: tuple[Path, Params]) -> None:
    before = (done / "applications/inventory/forecasts.parquet").read_bytes()
    forecast_inventory(*shop, shop[0])
    assert (done / "applications/inventory/forecasts.parquet").read_bytes() == before
    assert pq.read_metadata(done / "applications/inventory/products.parquet").num_rows == N_ITEMS


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("data.as_of=2026-03-20T00:00:00Z", "the newest week has 0 purchases"),
        ("data.as_of=2025-11-01T00:00:00Z", "expected 20 weeks of sales or more for a back-test, found"),
        ("inventory.min_sales=100000", "lower inventory.min_sales"),
    ],
)
def test_data_that_are_not_fit_ship_nothing(shop: tuple[Path, Params], tmp_path: Path, line: str, reason: str) -> None:
    root, loaded = shop
    name, _, value = line.partition("=")
    section, _, key = name.partition(".")
    changed = loaded.model_copy(
        update={
            section: type(getattr(loaded, section)).model_validate(getattr(loaded, section).model_dump() | {key: value})
        }
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data/snapshot").symlink_to(root / "data/snapshot")
    forecast_inventory(tmp_path, changed, tmp_path)
    record = json.loads((tmp_path / "applications/inventory/record.json").read_bytes())
    assert record["ships"] == "nothing"
    assert reason in record["reasons"][0]["text"]
    assert "Nothing ships" in (tmp_path / "reports/inventory/report.html").read_text()


def test_a_disabled_application_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    content = params.load(ROOT / "params.yaml").model_dump(mode="json")
    (tmp_path / "run/params.yaml").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    main()
    assert list((tmp_path / "applications/inventory").iterdir()) == []
