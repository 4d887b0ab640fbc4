"""Panels of applications and their cards, on what the stages publish from a small simulated shop, in a real browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from safetensors.numpy import save_file

from components.applications.publish import publish
from components.applications.reasons import give_reason
from components.applications.record import APPLICATIONS, ApplicationRecord, write_application
from components.data.tables import read_info
from components.params import Params
from components.serving.models import published
from components.serving.models.watcher import ModelWatcher
from components.stages import ads, ingest, inventory, marketing, profile, rank, resolve, split
from tests.components.serving.browser import nameless_controls, open_page
from tests.components.serving.support import running_app
from tests.components.stages.support import enter_checkout, no_reviews

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")]
STATUS = {"registry": None, "champion": None, "data": None, "verdict": None, "checks": [], "deployments": [],
          "quality": None, "runs": [], "drift": None, "drift_columns": None, "gain": None, "since": None,
          "links": {"prefect": "http://127.0.0.1:4200", "mlflow": "http://127.0.0.1:5000"}}  # fmt: skip
SMALL = "\n".join(
    [
        "shop.n_users=400", "shop.n_items=60", "shop.days=180", "ranking.max_epochs=1",
        "ads.enabled=true", "ads.log=data/raw/ad_log.parquet",
        "inventory.enabled=true", "inventory.trees=20", "inventory.min_sales=3", "inventory.stock_file=stock.csv",
        "marketing.enabled=true", "marketing.clusters=3", "marketing.stability_weeks=1", "marketing.resamples=50",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a shop's folder with what the stages of all applications publish."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), SMALL, patch)
        no_reviews(Path("features"))
        stock = [f"P{n:05},{n % 3}" for n in range(1, 61)]  # little of everything
        Path("stock.csv").write_text("\n".join(["item_id,stock", *stock]))
        for stage in (resolve, ingest, split, profile):
            stage.main()
        rows = np.random.default_rng(0).normal(size=(read_info(Path("data/split")).n_items + 1, 8))
        rows[0] = 0
        save_file({"embedding": rows.astype(np.float16)}, "features/items.safetensors")
        for stage in (rank, ads, inventory, marketing):
            stage.main()
        for name in APPLICATIONS:
            publish(folder, name, folder / "shop")
    return folder / "shop"


@pytest.fixture
def page(watcher: ModelWatcher, params: Params, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Return the page of a service beside which all applications are published."""
    monkeypatch.setattr(published, "CHECK_S", 0.0)
    shutil.copytree(shop / "applications", watcher.folder.parent / "applications")
    with running_app(watcher, params, **STATUS) as address, open_page(address) as page:
        yield page


def test_inventory(page: Page, shop: Path, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Inventory").click()
    panel = page.locator("#inventory")
    expect(panel.locator("tbody tr")).to_have_count(25)
    panel.get_by_role("button", name=re.compile("^order ")).click()
    expect(panel.get_by_role("button", name=re.compile("^order "))).to_have_attribute("aria-pressed", "true")
    expect(panel.locator("tbody td:nth-child(2)").first).to_have_text("order")
    panel.locator("tbody button").first.click()
    expect(panel.locator("#forecast svg path.line.champion")).to_have_count(1)  # flat: it has no height to be seen
    expect(panel.locator("#forecast svg rect.band")).to_have_count(4)  # weeks
    record = json.loads(next((shop / "applications/inventory").glob("*/record.json")).read_text())
    expect(panel.locator(".bars dt", has_text="seasonal naive")).to_be_visible()
    expect(panel).to_contain_text(record["reasons"][0]["text"])
    page.screenshot(path=tmp_path / "inventory.png", full_page=True)


def test_marketing_builds_an_audience_from_an_expression(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Marketing").click()
    panel = page.locator("#marketing")
    expect(panel).to_contain_text("Ordered recently, order often, and spend much.")
    panel.get_by_label("Expression").fill("orders >= 2")
    page.keyboard.press("Enter")
    stats = panel.locator("#audience .big")
    expect(stats).to_have_count(3)
    n_users, n_held_out, expected = (text.replace(",", "") for text in stats.all_inner_texts())
    assert 0 < int(n_held_out) < int(n_users)
    assert re.fullmatch(r"\d+(\.\d)?%", expected)
    expect(panel.locator("#audience code")).to_have_text(
        "carousel audience 'orders >= 2' --campaign 'spring' --out audience.csv"
    )
    expect(panel.locator("[aria-label='Response by tenth'] dt")).to_have_count(10)
    panel.get_by_label("Expression").fill("orders > ")
    page.keyboard.press("Enter")
    expect(page.locator("#message.error")).to_contain_text("expression")
    panel.get_by_role("button", name="Members: loyal").click()
    expect(panel.get_by_label("Expression")).to_have_value('segment == "loyal"')
    expect(panel.locator("#audience tbody td:nth-child(2)").first).to_have_text("loyal")
    page.screenshot(path=tmp_path / "marketing.png", full_page=True)


def test_ads_show_spend_and_choose_for_a_customer(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Advertising").click()
    panel = page.locator("#ads")
    expect(panel.locator("#campaigns .bars dt").first).to_be_visible()
    expect(panel.get_by_label("What the choices are worth").locator("dt")).to_have_text(
        ["ours", "most popular ad", "random", "as logged"]
    )
    panel.get_by_role("button", name="Choose", exact=True).click()
    expect(panel.locator("#chosen-ads")).to_contain_text(re.compile("Propensity|No ad"))
    shown = panel.locator("#chosen-ads tbody tr").count()
    counts = panel.locator("#campaigns tbody td:nth-child(6)").all_inner_texts()
    assert sum(int(text) for text in counts) == shown
    page.screenshot(path=tmp_path / "ads.png", full_page=True)


def test_a_card_is_text_and_never_markup(page: Page, tmp_path: Path) -> None:
    attack = (
        "# A <img src=x onerror=alert(1)> card\n\n- <b>bold</b> and `code`\n\n| a | b |\n| --- | --- |\n| 1 | **2** |\n"
    )
    page.route("**/card?application=marketing", lambda r: r.fulfill(json={"metadata": {}, "markdown": attack}))
    page.get_by_role("tab", name="Marketing").click()
    page.locator("#marketing .model-card summary").press("Enter")
    card = page.locator("#marketing .card-text")
    expect(card.locator("h3")).to_have_text("A <img src=x onerror=alert(1)> card")
    expect(card.locator("li")).to_have_text("<b>bold</b> and code")
    expect(card.locator("td strong")).to_have_text("2")
    assert card.locator("img, b").count() == 0
    page.unroute_all()
    page.get_by_role("tab", name="Inventory").click()
    page.locator("#inventory .model-card summary").click()
    expect(page.locator("#inventory .card-text")).to_contain_text("Intended use")
    expect(page.locator("#inventory .card-text table").first).to_be_visible()
    page.get_by_role("tab", name="Releases").click()
    page.locator("#releases .model-card summary").click()
    expect(page.locator("#releases .card-text")).to_contain_text("no card")  # of a bundle that was built without one
    page.screenshot(path=tmp_path / "card.png", full_page=True)


def test_on_a_phone_in_chinese_and_dark_by_keyboard(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Dark colours").click()
    page.get_by_label("Language").first.select_option("zh")
    page.get_by_role("tab", name="总览").focus()
    for name in ("广告", "库存", "营销"):
        while page.evaluate("document.activeElement.textContent") != name:
            page.keyboard.press("ArrowRight")
        expect(page.locator("[role=tabpanel]:visible .card").nth(1)).to_be_visible()
        expect(page.locator("[role=tabpanel]:visible .model-card")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert nameless_controls(page) == []


def test_reasons_and_behaviour_are_said_in_chinese(page: Page, shop: Path, tmp_path: Path) -> None:
    page.get_by_label("Language").first.select_option("zh")
    page.get_by_role("tab", name="营销").click()
    panel = page.locator("#marketing")
    behaviour = panel.locator("section", has=page.get_by_role("heading", name="行为分群", exact=True))
    expect(behaviour.locator("li strong")).to_have_count(3)
    english = re.compile("visit|baskets|products|look around|week|evening|by day|Compared|Close")
    assert not english.search(behaviour.inner_text()), behaviour.inner_text()
    assert not re.search(r"response|recency|expected|model", panel.locator(".card", has_text="检验结果").inner_text())
    behaviour.get_by_role("button").first.click()  # the column keeps its English value
    expect(panel.get_by_label("表达式")).to_have_value(re.compile('behaviour == ".+"'))
    assert not english.search(panel.locator("#audience tbody td:nth-child(3)").first.inner_text())
    page.screenshot(path=tmp_path / "marketing-zh.png", full_page=True)
    page.get_by_role("tab", name="库存").click()
    expect(page.locator("#inventory .card", has_text="检验结果")).to_contain_text(re.compile("商品（[0-9]+ 件）：发布"))
    page.get_by_role("tab", name="广告").click()
    expect(page.locator("#ads .card", has_text="检验结果")).to_contain_text(re.compile("点击：使用(校准|基准)"))
    page.screenshot(path=tmp_path / "ads-zh.png", full_page=True)


def test_what_is_off_says_so_and_how_to_start_it(watcher: ModelWatcher, params: Params) -> None:
    enabled = {"inventory": params.inventory.model_copy(update={"enabled": True})}
    nothing = ApplicationRecord(
        application="ads", as_of="2026-03-01T00:00:00+00:00", simulated=True, ships="nothing", metrics={},
        reasons=[give_reason("ads_no_row")],
    )  # fmt: skip
    write_application(watcher.folder.parent / "checkout", nothing)
    publish(watcher.folder.parent / "checkout", "ads", watcher.folder.parent)
    with (
        running_app(watcher, params.model_copy(update=enabled), **STATUS) as address,
        open_page(address) as page,
    ):
        page.get_by_role("tab", name="Advertising").click()
        expect(page.locator("#ads .alert")).to_contain_text("no row of the table of ads is valid")
        page.get_by_role("tab", name="Marketing").click()
        expect(page.locator("#marketing")).to_contain_text("switched off")
        expect(page.locator("#marketing code")).to_have_text("carousel marketing")
        page.get_by_role("tab", name="Inventory").click()
        expect(page.locator("#inventory")).to_contain_text("nothing published yet")
