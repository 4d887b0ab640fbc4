"""The page in a real browser: overview, customers, an event that changes a list, merchandising, languages, keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.browser import nameless_controls, open_page
from tests.components.serving.support import TOKEN, running_app

pytestmark = pytest.mark.slow
LEVEL = {"mean": 0.2, "low": 0.15, "high": 0.25, "n_users": 40, "n_days": 2}
DAY = 86_400_000_000
DEPLOYMENT = {
    "number": 1, "version": 1, "action": "promote", "is_refresh": False, "since": "1970-01-01T00:00:00+00:00",
    "until": None, "gain": None, "metric": "ndcg_at_10", "expected": LEVEL, "live": {**LEVEL, "mean": 0.21},
    "simple_models": [{"model": "popularity", "level": LEVEL, "lead": {**LEVEL, "mean": 0.1}}],
}  # fmt: skip
STATUS = {
    "registry": None,
    "champion": {"version": 1, "model": "ease", "digest": "d"},
    "since": "2026-03-01T00:00:00+00:00",
    "data": {"as_of": "2026-03-01T00:00:00+00:00", "data_version": "v", "git_revision": "r"},
    "verdict": {"verdict": "promote", "reasons": ["better than <b>all</b>"]},
    "checks": [{"name": "users", "passed": True, "value": 491.0, "limit": 100.0, "why": "enough"}],
    "drift": {"drifted": True, "computable": True, "reasons": ["the price moved"]},
    "drift_columns": [
        {"column": "price", "distance": 0.4, "limit": 0.2},
        {"column": "brand", "distance": 0.1, "limit": 0.2},
    ],
    "deployments": [
        {
            "at": "2026-03-01T00:00:00+00:00",
            "action": "promote",
            "version": 1,
            "previous": None,
            "state": "done",
            "note": "",
        }
    ],
    "quality": {
        "metric": "ndcg_at_10",
        "days": [
            {"start": n * DAY, "end": n * DAY + DAY, "version": 1, "users": 9, "simple": {"popularity": 0.1}}
            | {"mean": 0.2 + n / 100}
            for n in range(3)
        ],
        "deployments": [DEPLOYMENT],
    },
    "runs": [
        {
            "version": 1, "model": "ease", "as_of": "2026-03-01T00:00:00+00:00",
            "created_at": "2026-03-01T01:00:00+00:00",
            "alias": "champion", "metric": "ndcg_at_10", "value": 0.2, "mlflow": "http://127.0.0.1:5000/#/models/shop",
        }
    ],
    "links": {"prefect": "http://127.0.0.1:4200", "mlflow": "http://127.0.0.1:5000/#/models/shop"},
    "gain": None,
}  # fmt: skip


@pytest.fixture
def address(watcher: ModelWatcher, params: Params) -> Iterator[str]:
    """Return the address of the service."""
    with running_app(watcher, params, **STATUS) as address:
        yield address


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """Return the page, opened in English; an error in its log fails the test, such as a script that CSP refuses."""
    with open_page(address) as page:
        yield page


def show_user(page: Page, user: str) -> None:
    page.get_by_role("tab", name="Customers").click()
    page.get_by_label("Customer id").fill(user)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#champion-list li .title")).to_have_count(10)


def titles(page: Page, where: str) -> list[str]:
    return page.locator(f"{where} .title").all_inner_texts()


def test_the_overview_shows_what_serves_and_how_well(page: Page, tmp_path: Path) -> None:
    overview = page.locator("#overview")
    expect(overview).to_contain_text("Version 1")
    expect(overview).to_contain_text("As expected.")
    expect(overview.get_by_role("img", name="NDCG@10 by day, 3 days")).to_be_visible()
    expect(overview.locator("figure path.line.champion")).to_be_visible()
    expect(overview).to_contain_text("1 of 2 columns are over their limit")
    expect(overview.locator(".alert")).to_contain_text("the price moved")
    assert (
        overview.get_by_role("link", name="MLflow").first.get_attribute("href") == "http://127.0.0.1:5000/#/models/shop"
    )
    assert overview.get_by_role("link", name="evaluation").get_attribute("href") == "page/reports/1/evaluate"
    page.screenshot(path=tmp_path / "overview.png", full_page=True)


def test_an_event_changes_the_list_and_search_is_for_the_user(page: Page, tmp_path: Path) -> None:
    show_user(page, "ann")
    expect(page.locator("#history p")).to_have_text("no events of this customer yet")
    before = titles(page, "#champion-list")
    page.locator("#champion-list li").first.get_by_role("button", name="View").click()
    expect(page.locator("#message")).to_contain_text("stored")
    expect(page.locator("#history li.view")).to_have_count(1)
    expect(page.locator("#champion-list p").first).to_contain_text("model EASE")
    assert titles(page, "#champion-list") != before
    expect(page.locator("#champion-list .reasons").first).to_contain_text("similar to")
    page.get_by_label("Search as this customer").fill("bleu")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#results p")).to_contain_text("read as blue")
    assert page.locator("#results li").count() > 3
    page.get_by_role("tab", name="Overview").click()
    page.locator("#overview").get_by_role("button", name="ann").first.click()  # picked, not known by heart
    expect(page.locator("#history li.view")).to_have_count(1)
    page.screenshot(path=tmp_path / "customers.png", full_page=True)


def test_a_merchandiser_tries_adds_and_removes_a_rule(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Merchandising").click()
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("CAROUSEL_ADMIN_TOKEN")
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#rules")).to_contain_text("No rule")
    page.get_by_label("Product (id, or words to search)").fill("sku-20")
    page.get_by_label("Position", exact=True).fill("2")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Try", exact=True).click()
    after = page.locator("#preview section").nth(1)
    expect(after.locator("li").nth(1)).to_contain_text("new in the list")
    expect(page.locator("#rules")).to_contain_text("No rule")  # trying changes nothing
    page.get_by_role("button", name="Add rule").click()
    expect(page.locator("#message")).to_contain_text("Rule added")
    expect(page.locator("#rules tbody tr")).to_have_count(1)
    expect(page.locator("#rules")).to_contain_text("Ann")
    expect(after.locator("li").nth(1)).to_contain_text("pinned")
    page.screenshot(path=tmp_path / "merchandising.png", full_page=True)
    page.get_by_role("button", name=re.compile("^Remove")).click()
    expect(page.locator("#rules")).to_contain_text("No rule")


def test_releases_in_both_languages_by_keyboard(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowLeft")  # from the first to the last
    expect(page.get_by_role("tab", name="Marketing")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Releases")).to_be_focused()
    expect(page.get_by_role("heading", name="Last verdict")).to_be_visible()
    expect(page.locator("#releases")).to_contain_text("better than <b>all</b>")  # text, not markup
    page.get_by_label("Language").first.select_option("zh")
    expect(page.get_by_role("heading", name="最近的发布决定")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh"
    page.reload()  # the choice is remembered
    expect(page.get_by_role("heading", name="最近的发布决定")).to_be_visible()
    page.screenshot(path=tmp_path / "releases.png", full_page=True)


def test_colours_follow_the_button_and_a_phone_needs_no_sideways_scrolling(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Dark colours").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    for name in ("Overview", "Customers", "Releases"):
        page.get_by_role("tab", name=name).click()
        expect(page.locator("[role=tabpanel]:visible .card").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
    page.screenshot(path=tmp_path / "phone.png", full_page=True)


def test_an_error_is_shown_and_every_control_has_a_name(page: Page) -> None:
    show_user(page, "ann")
    assert nameless_controls(page) == []
    assert page.locator("[role=status][aria-live=polite]").count() == 1
    page.route("**/page/compare", lambda route: route.fulfill(status=503, json={"detail": "too many requests at once"}))
    page.get_by_label("Customer id").fill("bob")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_text("too many requests at once")
    page.unroute_all()


def test_quotas_by_kind_change_the_lists_of_a_mixed_catalogue(
    mixed_watcher: ModelWatcher, params: Params, tmp_path: Path
) -> None:
    with running_app(mixed_watcher, params, **STATUS) as address, open_page(address) as page:
        show_user(page, "ann")
        articles = page.locator("#champion-list .facts", has_text="article")
        page.get_by_label("article: at least").fill("4")
        page.get_by_label("article: at most").fill("4")
        page.get_by_role("button", name="Apply").click()
        expect(articles).to_have_count(4)
        page.get_by_label("article: at least").fill("")
        page.get_by_label("article: at most").fill("0")
        page.get_by_role("button", name="Apply").click()
        expect(articles).to_have_count(0)
        page.get_by_label("article: at most").fill("1")
        page.get_by_label("product: at most").fill("2")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#champion-list li .title")).to_have_count(3)  # the bounds leave room for no more
        page.get_by_label("product: at least").fill("11")
        page.get_by_label("product: at most").fill("")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#message.error")).to_contain_text("11 items or more")
        expect(page.locator("#champion-list li .title")).to_have_count(3)  # refused: the lists stay
        page.screenshot(path=tmp_path / "quotas.png", full_page=True)


def test_a_catalogue_of_one_kind_has_no_quotas(page: Page) -> None:
    show_user(page, "ann")
    expect(page.locator("#quotas")).to_have_count(0)


def test_the_verdict_and_its_checks_are_said_in_chinese(watcher: ModelWatcher, params: Params, tmp_path: Path) -> None:
    gain = {
        "name": "gain over popularity",
        "passed": False,
        "value": -0.01,
        "limit": 0.0,
        "why": "the interval contains",
    }
    status = STATUS | {
        "verdict": {"verdict": "not_enough_evidence", "reasons": [
            "gain over popularity: the interval contains", "not shown: gain over popularity: the interval contains",
            "first champion, requested with --bootstrap", "about 1,234 further test users would decide (95%)",
            "a text of a later version",
        ]},
        "checks": [*STATUS["checks"], gain, gain | {"name": "slice user:cold"}, gain | {"name": "a new check"}],
    }  # fmt: skip
    with running_app(watcher, params, **status) as address, open_page(address) as page:
        page.get_by_label("Language").first.select_option("zh")
        page.get_by_role("tab", name="发布").click()
        card = page.locator("#releases .card").first
        expect(card.locator("ul li")).to_have_text([
            "相对热门的增益：增益区间的下限为 -0.01，须高于 0",
            "未证明：相对热门的增益：增益区间的下限为 -0.01，须高于 0",
            "首个线上模型，由 --bootstrap 要求", "再有约 1,234 位测试用户即可判定", "a text of a later version",
        ])  # fmt: skip
        card.locator("summary").click()
        expect(card.locator("tbody td:first-child")).to_have_text(
            ["测试用户数", "相对热门的增益", "用户分组 新用户", "a new check"]
        )
        expect(card.locator("tbody tr").first).to_contain_text("491 位测试用户，至少需要 100 位")
        expect(card.locator("tbody tr").last).to_contain_text("the interval contains")
        page.screenshot(path=tmp_path / "verdict.png", full_page=True)
