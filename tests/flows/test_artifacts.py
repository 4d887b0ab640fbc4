"""Artifacts on a run page."""

from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows import artifacts
from flows.workspace import open_workspace


def test_progress_is_published_in_a_flow_run_only(server: None) -> None:
    outside = artifacts.StageProgress(2)
    outside.advance()
    assert outside.id is None

    @flow
    def run() -> artifacts.StageProgress:
        bar = artifacts.StageProgress(4)
        for _ in range(3):
            bar.advance()
        return bar

    bar = run()
    with get_client(sync_client=True) as client:
        (found,) = [a for a in client.read_artifacts() if a.id == bar.id]
    assert found.data == pytest.approx(75.0)


def test_links_are_published_for_existing_files_only(promoted: Path, server: None) -> None:
    (promoted / "run/tensorboard").mkdir()
    (promoted / "reports/drift/drift.html").unlink()

    @flow
    def run() -> None:
        artifacts.publish(open_workspace([], [], None), 1, None)

    run()
    with get_client(sync_client=True) as client:
        newest = {a.key: str(a.data) for a in sorted(client.read_artifacts(), key=lambda a: str(a.created))}
    here = promoted.as_uri()
    assert f"{here}/reports/evaluate/report.html" in newest["report"]
    assert f"{here}/run/tensorboard" in newest["tensorboard"]
    assert here not in newest.get("drift-report", "")
    assert "/#/models/carousel/versions/1" in newest["mlflow"]
