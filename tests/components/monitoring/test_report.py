"""The page has the same numbers as Evidently's report, reproducible bytes, and runs no script from the shop's data."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from components.contracts import DriftVerdict
from components.monitoring.drift import judge
from components.monitoring.report import replace_ids, write_report
from components.monitoring.windows import Sample, sample_window
from tests.components.monitoring.support import DRIFT, SHIFT, catalogue, visits, write_snapshot

EVIL = "</script onload=alert(1)"


def compared(snapshot: Path) -> tuple[DriftVerdict, Sample, Sample]:
    """Return the verdict and both samples, before and after SHIFT."""
    days, n, after = DRIFT.window_days, DRIFT.sample, SHIFT + timedelta(days=14)
    reference, current = (sample_window(snapshot, end, days, n, 1, 1.0) for end in (SHIFT, after))
    return judge(reference, current, "champion <3>", after, DRIFT, 7), reference, current


def rows_of(tree: Any) -> list[dict[str, Any]]:
    """Return every record in the tree that has a drift score."""
    if isinstance(tree, dict):
        own = [tree] if "drift_score" in tree else []
        return own + [row for value in tree.values() for row in rows_of(value)]
    return [row for value in tree for row in rows_of(value)] if isinstance(tree, list) else []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, DriftVerdict]:
    """Return the page of a shop with a malicious category name and partly unknown prices."""
    folder = tmp_path_factory.mktemp("report")
    products = catalogue()
    products[0] |= {"category": EVIL, "price": None, "language": None}
    verdict, reference, current = compared(write_snapshot(folder / "snapshot", visits(1, shift_share=0.4), products))
    write_report(folder / "drift.html", verdict, reference, current)
    first = (folder / "drift.html").read_text()
    write_report(folder / "drift.html", verdict, reference, current)
    assert (folder / "drift.html").read_text() == first
    return first, verdict


def test_the_verdict_is_at_the_top_and_escaped(page: tuple[str, DriftVerdict]) -> None:
    html, verdict = page
    top = html[html.index("<body") : html.index("</section>")]
    assert "<h1>Drifted</h1>" in top
    assert "champion &lt;3&gt;" in top
    for name, value in verdict.columns.items():
        assert f"<td>{name}</td><td>{value:.3f}</td>" in top


def test_evidently_shows_the_same_distances(page: tuple[str, DriftVerdict]) -> None:
    html, verdict = page
    start = re.search(r"var metric_\d+ = ", html)
    assert start is not None
    dashboard, _ = json.JSONDecoder().raw_decode(html, start.end())
    shown = {row["column_name"]: row["drift_score"] for row in rows_of(dashboard)}
    ours = dict(verdict.columns)
    assert shown.pop("price_log") < ours.pop("price_log")  # its distance is that of the nulls, which Evidently ignores
    assert shown == pytest.approx(ours, abs=1e-6)


def test_the_page_is_self_contained_and_runs_no_script_from_the_data(page: tuple[str, DriftVerdict]) -> None:
    html, _ = page
    assert EVIL not in html
    assert "\\u2039/script onload=alert(1)" in html
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?(?:https?:)?//", html)
    assert "user-1" not in html


def test_without_comparable_columns_the_page_says_so(steady: Path, tmp_path: Path) -> None:
    current = sample_window(steady, SHIFT, 14, 200, 1, 1.0)
    verdict = judge(None, current, "champion 3", SHIFT, DRIFT, 7)
    write_report(tmp_path / "drift.html", verdict, None, current)
    html = (tmp_path / "drift.html").read_text()
    assert "<h1>Not computable</h1>" in html
    assert "nothing to compare with" in html


def test_ids_are_replaced_by_their_order_of_appearance() -> None:
    one, two = "0190c2a4-7b1e-7c3d-8a2b-0123456789ab", "0190c2a4-7b1e-7c3d-9a2b-0123456789ab"
    hexed = "b8a1a1f0c3d24e6f8a9b0c1d2e3f4a5b"
    text = replace_ids(f"{one} {two} {one} metric_{hexed} {'a' * 64}")
    assert text == f"{1:032d} {2:032d} {1:032d} metric_{3:032d} {'a' * 64}"


def test_null_categories_are_drawn(steady: Path, tmp_path: Path) -> None:
    verdict, reference, current = compared(steady)
    nulls = pa.nulls(current.rows.num_rows, pa.string())
    assert verdict.columns
    keep = {n: v for n, v in verdict.columns.items() if n == "event"}
    small = verdict.model_copy(update={"columns": keep})
    rows = current.rows.set_column(
        0, "event", pa.chunked_array([nulls[:5], current.rows["event"].combine_chunks()[5:]])
    )
    write_report(tmp_path / "drift.html", small, reference, Sample(rows, current.window))
    assert "(none)" in (tmp_path / "drift.html").read_text()
