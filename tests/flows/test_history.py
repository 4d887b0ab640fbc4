"""`carousel history`: a table, JSON and a picture of the deployments."""

import json
from pathlib import Path

import pytest

from components.release.history import History
from components.release.history_summary import summarise
from components.release.launch import Launch
from components.release.ledger import Ledger
from flows import cli, history
from flows.workspace import open_workspace
from tests.components.release.outcome_rows import on, outcome, served, simple

ROWS = [
    *(outcome(day, 0.30, window="expected") for day in range(4)),
    *(outcome(day, 0.20) for day in range(4, 8)),
    *(simple(day, 0.15, 0.05) for day in range(4, 8)),
]


def test_a_row_for_each_deployment_newest_first() -> None:
    periods = [served(1, 4, 8), served(2, 8, 9, is_refresh=True)]
    newest, oldest = history.table_rows(summarise(periods, ROWS, "ndcg_at_10", 0.95))
    assert oldest == {
        "version": "1",
        "by": "promote",
        "served": "2026-01-05 to 2026-01-09",
        "gain at the gate": "+0.0200 (+0.0100 to +0.0300)",
        "expected a day": "0.3000 (0.2902 to 0.3098)",
        "came true": "0.2000 (0.1902 to 0.2098)",
        "days, users": "4, 400",
        "lead over simple models": "popularity +0.0500 (+0.0402 to +0.0598)",
    }
    assert (newest["by"], newest["served"], newest["came true"], newest["days, users"]) == (
        "refresh", "2026-01-09 to now", "", "",
    )  # fmt: skip


def test_only_the_newest_deployments_are_in_the_table() -> None:
    periods = [served(n, n, n + 1) for n in range(1, 31)]
    rows = history.table_rows(summarise(periods, [], "ndcg_at_10", 0.95))
    assert [row["version"] for row in rows] == [str(n) for n in range(30, 10, -1)]


def test_before_any_deployment_the_command_says_so(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["history"]) == 0
    assert capsys.readouterr().out == "nothing has served yet\n"
    assert not (checkout / ".carousel/shops").exists()


def test_the_command_prints_json_and_writes_the_picture(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = open_workspace([], [], None).shop
    ledger = Ledger(shop)
    ledger.close(ledger.begin("promote", 1, None, "digest 1", None, Launch(since=on(4).isoformat())), "done", "")
    History(shop).add(ROWS)
    picture = checkout / "run/history.svg"
    assert cli.run(["history", "--json", "--as-of", "2026-01-09", "--plot", str(picture)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["deployments"]
    assert (found["version"], found["since"], found["until"]) == (1, on(4).isoformat(), None)
    assert found["live"]["mean"] == pytest.approx(0.20)
    assert found["simple_models"][0]["lead"]["mean"] == pytest.approx(0.05)
    assert picture.read_text(encoding="utf-8").startswith("<svg")
