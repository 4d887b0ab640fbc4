"""`carousel history`: a table, JSON and a picture of the deployments."""

import json
import os
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.io import write_record
from components.release.history import SCORED_FILE, History, Scored
from components.release.launch import Launch
from components.release.ledger import Ledger
from flows import cli
from flows.history import PAGE, note_alarms, write_page
from flows.workspace import REPORT, open_workspace
from tests.components.release.outcome_rows import on, outcome, simple

ROWS = [
    *(outcome(day, 0.30, window="expected") for day in range(4)),
    *(outcome(day, 0.20) for day in range(4, 8)),
    *(simple(day, 0.15, 0.05) for day in range(4, 8)),
]


def fill(shop: Path) -> None:
    """Record a deployment on 2026-01-05 and its days."""
    ledger = Ledger(shop)
    ledger.close(ledger.begin("promote", 1, None, "digest 1", None, Launch(since=on(4).isoformat())), "done", "")
    History(shop).add(ROWS)


def test_before_any_deployment_the_command_says_so(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["history"]) == 0
    assert capsys.readouterr().out == "nothing has served yet\n"
    assert not (checkout / ".carousel/shops").exists()


def test_the_command_prints_json_and_writes_the_picture(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(open_workspace([], [], None).shop)
    picture = checkout / "run/history.svg"
    assert cli.run(["history", "--json", "--as-of", "2026-01-09", "--plot", str(picture)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["deployments"]
    assert (found["version"], found["since"], found["until"]) == (1, on(4).isoformat(), None)
    assert found["live"]["mean"] == pytest.approx(0.20)
    assert found["simple_models"][0]["lead"]["mean"] == pytest.approx(0.05)
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_the_page_lies_where_the_evaluation_report_links_to(checkout: Path) -> None:
    workspace = open_workspace([], [], on(8))
    fill(workspace.shop)
    alarm = "version 1: ndcg_at_10 is 0.2, expected 0.3"
    write_record(workspace.shop / SCORED_FILE, Scored(as_of=on(8).isoformat(), n_days=4, alarms=[alarm]))
    assert write_page(workspace).table()[0]["version"] == "1"
    assert os.path.normpath(REPORT.parent / "../history/report.html") == str(PAGE)
    assert alarm in (checkout / PAGE).read_text(encoding="utf-8")


def test_alarms_and_errors_of_the_scoring_are_notes() -> None:
    scored = Scored(as_of="2026-01-09", n_days=1, alarms=["version 1 is low"])
    assert note_alarms(lambda: scored) == (scored, ["the champion falls short: version 1 is low"])

    def fail() -> Scored:
        raise ReleaseError("no disk")

    assert note_alarms(fail) == (None, ["what serves was not scored on later events: no disk"])
