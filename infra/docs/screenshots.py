"""Take the pictures in docs/images: `python -m infra.docs.screenshots`, after `make retrain` and beside `make serve`.

Needs Chromium on the PATH. report.png is reports/evaluate/report.html; service.png and customers.png are views of the
page of the running service.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from infra.docs.reference import ROOT

DOCS = ROOT / "docs"


def main(arguments: list[str]) -> int:
    """Write the pictures; return the exit code."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=ROOT / "reports/evaluate/report.html")
    parser.add_argument("--service", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="U00012")
    chosen = parser.parse_args(arguments)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("expected Chromium on the PATH, found none; install the package chromium", file=sys.stderr)  # noqa: T201
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        _report(browser.new_page(viewport={"width": 960, "height": 1400}), chosen.report.resolve())
        _service(browser.new_page(viewport={"width": 1280, "height": 1000}), chosen)
        browser.close()
    return 0


def _report(page: Any, file: Path) -> None:
    page.goto(file.as_uri())
    page.screenshot(path=DOCS / "images/report.png")


def _service(page: Any, chosen: argparse.Namespace) -> None:
    """The overview; below it, the lists of the user."""
    page.goto(chosen.service)
    page.locator("#overview svg").first.wait_for()
    page.locator("#overview .picks").wait_for()
    page.wait_for_timeout(500)  # bars move for a moment
    page.screenshot(path=DOCS / "images/service.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.goto(f"{chosen.service}/#customers?user={chosen.user}")
    page.get_by_role("heading", name="Champion").wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=DOCS / "images/customers.png")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
