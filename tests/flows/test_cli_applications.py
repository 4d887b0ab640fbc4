"""`carousel inventory` from the command line: the flow runs the stages that it needs, and the list is shown."""

import json
from pathlib import Path

import pytest

from components.applications.record import ApplicationRecord
from flows import cli
from flows.cli_applications import run_application


@pytest.fixture
def started(checkout: Path, unrecorded: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout where the command line starts no Prefect server."""
    monkeypatch.setattr("flows.startup.prepare", lambda: checkout / ".carousel")
    return checkout


def test_the_application_runs_alone(started: Path) -> None:
    done = run_application("inventory", None, None, None)
    assert [stage.name for stage in done.stages] == ["resolve", "ingest", "inventory"]
    assert done.record.ships == "model"


def test_a_failed_stage_is_exit_code_1(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL_AT", "inventory")
    assert cli.run(["inventory"]) == 1
    assert "expected 3 rows, came 2" in capsys.readouterr().err


def test_where_nothing_ships_the_list_is_empty_and_says_why(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ApplicationRecord(
        application="inventory", as_of="2026", simulated=False, ships="nothing", metrics={},
        reasons=[{"key": "other", "text": "too short"}],
    )  # fmt: skip
    outcome = {"record": record.model_dump(mode="json"), "report": "reports/inventory/report.html", "stages": []}
    monkeypatch.setattr("flows.server.run_flow", lambda *_, **__: outcome)
    assert cli.run(["inventory", "--json", "--csv", "list.csv"]) == 0
    assert json.loads(capsys.readouterr().out)["products"] == []
    assert (started / "list.csv").read_text() == ""
