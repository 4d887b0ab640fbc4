"""The service's page in headless Chromium."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MS = 20_000


@contextmanager
def open_page(address: str) -> Iterator[Page]:
    """Yield the page in English; fails at the end for an error in its log, such as a script that CSP refuses.

    Also fails for a request to another host. Skips where there is no Chromium.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda entry: errors.append(entry.text) if is_problem(entry) else None)
        page.on("request", lambda sent: None if sent.url.startswith((address, "data:")) else errors.append(sent.url))
        page.goto(address)
        yield page
        browser.close()
        assert errors == []


def is_problem(entry: ConsoleMessage) -> bool:
    """Return whether an entry of the log is an error that the tests do not provoke."""
    return entry.type == "error" and not re.search("401|404|422|503", entry.text)


def nameless_controls(page: Page) -> list[str]:
    """Return the markup of buttons and inputs that a screen reader cannot name."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('button,input,select')].filter(n => !(n.getAttribute('aria-label') || "
        "n.textContent.trim() || (n.labels && [...n.labels].some(l => l.textContent.trim())))).map(n => n.outerHTML)"
    )
    return found
