"""Evidently's workspace as its own interface reads it: a project for each shop, a dashboard, a value per column."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.monitoring import ui
from components.monitoring.drift import judge
from components.monitoring.report import write_report
from components.monitoring.snapshots import FILE, project_id, store_snapshot
from components.monitoring.windows import COLUMNS, sample_window
from tests.components.monitoring.support import DRIFT, SHIFT, catalogue, visits, write_snapshot


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with the reports of two nights, before and after SHIFT."""
    folder = write_snapshot(tmp_path / "snapshot", visits(1, shift_share=0.4), catalogue())
    days, n = DRIFT.window_days, DRIFT.sample
    reference = sample_window(folder, SHIFT, days, n, 1, 1.0)
    for night in (1, 14):
        at = SHIFT + timedelta(days=night)
        current = sample_window(folder, at, days, n, 2, 1.0)
        verdict = judge(reference, current, "champion 3", at, DRIFT, 7)
        report = tmp_path / f"night-{night}"
        report.mkdir()
        write_report(report / "drift.html", verdict, reference, current)
        first = (report / FILE).read_bytes()
        write_report(report / "drift.html", verdict, reference, current)
        assert (report / FILE).read_bytes() == first  # the same bytes again
        assert b"user-1" not in first
        assert store_snapshot(tmp_path / "home", "teas", report)
    for shop in ("teas", "books"):
        (tmp_path / "home/shops" / shop).mkdir(parents=True)
    return tmp_path / "home"


def test_a_shop_with_snapshots_has_a_dashboard_over_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    from evidently.ui.workspace import Workspace

    assert ui.make_projects(home) == ["teas"]
    project = home / "evidently" / str(project_id("teas"))
    before = (project / "dashboard.json").read_bytes()
    assert ui.make_projects(home) == ["teas"]
    assert (project / "dashboard.json").read_bytes() == before  # what a user has changed there stays
    panels = json.loads(before)["panels"]
    assert [len(panel["values"]) for panel in panels] == [len(COLUMNS), 1, *[1] * len(COLUMNS)]
    workspace = Workspace.create(str(home / "evidently"))
    (found,) = workspace.list_projects()
    assert (found.name, found.id) == ("teas", project_id("teas"))
    runs = [json.loads(file.read_bytes()) for file in (project / "snapshots").iterdir()]
    at = sorted(run["timestamp"] for run in runs)
    assert at == [(SHIFT + timedelta(days=night)).replace(tzinfo=None).isoformat() for night in (1, 14)]
    assert {run["metadata"]["reference"] for run in runs} == {"champion 3"}
    assert len(workspace.list_runs(found.id)) == 2
    lines = [sorted(json.dumps(r["metric_value_location"]["metric"]["params"]) for r in results(run)) for run in runs]
    assert lines[0] == lines[1]  # one line for each column, not one for each night
    assert len(lines[0]) == len(COLUMNS) + 1


def results(run: dict[str, Any]) -> list[dict[str, Any]]:
    return list(run["metric_results"].values())
