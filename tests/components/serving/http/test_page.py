"""The page in a real browser: lists, explanations, an event that changes them, search, status, languages, keyboard."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import running_app

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STATUS = {
    "registry": None,
    "champion": {"version": 1, "model": "ease", "digest": "d"},
    "since": "2026-03-01T00:00:00+00:00",
    "data": {"as_of": "2026-03-01T00:00:00+00:00", "data_version": "v", "git_revision": "r"},
    "verdict": {"verdict": "promote", "reasons": ["better than <b>all</b>"]},
    "checks": [{"name": "users", "passed": True, "value": 491.0, "limit": 100.0, "why": "enough"}],
    "drift": {"drifted": False, "computable": True, "reasons": ["nothing moved"]},
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
}


@pytest.fixture
def address(watcher: ModelWatcher, params: Params) -> Iterator[str]:
    """Return the address of the service."""
    with running_app(watcher, params, **STATUS) as address:
        yield address


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """Return the page, opened in English; an error in its log fails the test."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda entry: errors.append(entry.text) if entry.type == "error" and "503" not in entry.text else None,
        )
        page.goto(address)
        yield page
        browser.close()
        assert errors == []


def first(page: Page) -> str:
    return page.locator("#champion-list li").first.inner_text()


def test_an_event_changes_the_list_and_search_is_for_the_user(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#champion")).to_contain_text("serving version 1")
    page.get_by_label("User", exact=True).fill("ann")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#history p")).to_have_text("no events of this user yet")
    expect(page.locator("#champion-list li")).to_have_count(10)
    before = first(page)
    page.locator("#champion-list li").first.get_by_role("button", name="View").click()
    expect(page.locator("#message")).to_contain_text("stored")
    expect(page.locator("#history li")).to_have_count(1)
    expect(page.locator("#champion-list p")).to_contain_text("model ease")
    assert first(page) != before
    expect(page.locator("#champion-list li").first).to_contain_text("similar to")
    page.get_by_label("Search as this user").fill("bleu")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results p")).to_contain_text("read as blue")
    assert page.locator("#results li").count() > 3
    page.screenshot(path=tmp_path / "lists.png", full_page=True)


def test_the_status_in_both_languages_by_keyboard(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Lists").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Status")).to_be_focused()
    expect(page.get_by_role("heading", name="Last verdict")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("better than <b>all</b>")  # text, not markup
    expect(page.locator("#status")).to_contain_text("nothing moved")
    page.get_by_label("Language").select_option("zh")
    expect(page.get_by_role("heading", name="最近的发布决定")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh"
    page.screenshot(path=tmp_path / "status.png", full_page=True)


def test_an_error_is_shown(page: Page) -> None:
    page.route("**/page/compare", lambda route: route.fulfill(status=503, json={"detail": "too many requests at once"}))
    page.get_by_label("User", exact=True).fill("ann")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_text("too many requests at once")
    page.unroute_all()


def test_every_control_has_a_name_for_screen_readers(page: Page) -> None:
    page.get_by_label("User", exact=True).fill("ann")
    page.keyboard.press("Enter")
    expect(page.locator("#champion-list li")).to_have_count(10)
    nameless = page.evaluate(
        "[...document.querySelectorAll('button,input,select')].filter(n => !(n.getAttribute('aria-label') || "
        "n.textContent.trim() || (n.labels && [...n.labels].some(l => l.textContent.trim())))).map(n => n.outerHTML)"
    )
    assert nameless == []
    assert page.locator("[role=status][aria-live=polite]").count() == 1
