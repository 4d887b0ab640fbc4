"""The interactive reference: its files come from this service, and in a browser a route can be tried."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect, sync_playwright

from components.errors import ContractError
from components.params import Params
from components.serving.http import api_docs
from components.serving.http.api_docs import FOLDER
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.browser import CHROMIUM
from tests.components.serving.support import running_app, serving_client

WAIT_MS = 120_000  # the browser reads 1.5 MB of scripts, perhaps on a busy machine


def test_the_page_and_all_its_files_come_from_the_service(client: TestClient) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    kinds = {name: client.get(f"/{name}").headers["content-type"].partition(";")[0] for name in names}
    assert kinds == {
        "docs/favicon.png": "image/png",
        "docs/swagger-ui.css": "text/css",
        "docs/swagger-ui-bundle.js": "text/javascript",
        "docs/docs.js": "text/javascript",
    }
    assert not re.search("https?:", page.text + (FOLDER / "docs.js").read_text())
    assert client.head("/docs").status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "page_routes.py", "..%2fapp.py", "redoc.standalone.js"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    reply = client.get(f"/docs/{name}")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")


def test_a_service_without_its_page_has_no_reference(watcher: ModelWatcher, params: Params) -> None:
    with serving_client(watcher, params, page=False) as client:
        assert client.get("/docs").status_code == 404
        assert client.get("/openapi.json").status_code == 200


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_docs, "PACKAGE", "no_such_package")
    with pytest.raises(ContractError, match=r"fastapi-offline, which is not installed; run pip install"):
        api_docs.find_swagger_ui()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_route_can_be_tried_in_a_browser(watcher: ModelWatcher, params: Params, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with running_app(watcher, params) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, problems = browser.new_page(viewport={"width": 1280, "height": 900}), list[str]()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda entry: problems.append(entry.text) if entry.type == "error" else None)
        page.on("request", lambda sent: None if sent.url.startswith((address, "data:")) else problems.append(sent.url))
        page.goto(f"{address}/docs")
        row = page.locator("#operations-Lists-recommend")
        expect(row).to_contain_text("Return products for a user, or for a history", timeout=WAIT_MS)
        row.click()
        row.get_by_role("button", name="Try it out").click()
        row.get_by_role("button", name="Execute").click()
        expect(row.locator(".live-responses-table .response-col_status").last).to_contain_text("200", timeout=WAIT_MS)
        expect(row.locator(".live-responses-table")).to_contain_text("sku-")
        page.screenshot(path=tmp_path / "docs.png")
        browser.close()
        assert problems == []
