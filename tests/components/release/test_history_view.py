"""The history as a table and a page."""

import re
from collections.abc import Sequence
from pathlib import Path

from components.release.history import DayOutcome, History, Served
from components.release.history_summary import summarise
from components.release.history_view import HistoryView
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.times import to_micros
from tests.components.release.outcome_rows import on, outcome, served, simple

ROWS = [
    *(outcome(day, 0.30, window="expected") for day in range(4)),
    *(outcome(day, 0.20) for day in range(4, 8)),
    *(simple(day, 0.15, 0.05) for day in range(4, 8)),
]


def view(periods: list[Served], rows: Sequence[DayOutcome]) -> HistoryView:
    return HistoryView(periods, summarise(periods, rows, "ndcg_at_10", 0.95), list(rows))


def test_a_row_for_each_deployment_newest_first() -> None:
    ends = {"judged_until": "2026-01-02T00:00:00+00:00", "learned_until": "2026-01-09T00:00:00+00:00"}
    periods = [served(1, 4, 8), served(2, 8, 9, is_refresh=True, **ends)]
    newest, oldest = view(periods, ROWS).table()
    assert newest["learned until"] == "2026-01-09, judged 2026-01-02"
    assert oldest == {
        "version": "1",
        "by": "promote",
        "served": "2026-01-05 to 2026-01-09",
        "learned until": "",
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
    rows = view(periods, []).table()
    assert [row["version"] for row in rows] == [str(n) for n in range(30, 10, -1)]


def test_what_is_read_from_the_ledger_ends_at_as_of(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number, day in ((1, 4), (2, 8)):
        intent = ledger.begin("promote", number, None, f"digest {number}", None, Launch(since=on(day).isoformat()))
        ledger.close(intent, "done", "")
    History(tmp_path).add(ROWS)
    found = HistoryView.read(tmp_path, "ndcg_at_10", 0.95, to_micros(on(6)))
    assert [row["version"] for row in found.table()] == ["1"]
    assert len(HistoryView.read(tmp_path, "ndcg_at_10", 0.95, to_micros(on(9))).table()) == 2
    later = HistoryView.read(tmp_path, "ndcg_at_10", 0.95, to_micros(on(6)), with_later=True)
    assert [row["version"] for row in later.table()] == ["2", "1"]
    assert HistoryView.read(tmp_path, "recall_at_10", 0.95, to_micros(on(9))).rows == []


def test_the_page_has_alarms_picture_and_table_without_script_or_links(tmp_path: Path) -> None:
    file = tmp_path / "history/report.html"
    view([served(n, n, n + 1) for n in range(1, 31)], ROWS).write_page(file, "ndcg_at_10", ["<b>low</b>"])
    html = file.read_text(encoding="utf-8")
    assert "&lt;b&gt;low&lt;/b&gt;" in html
    assert html.count("<svg") == 1
    assert html.count("<tr>") == 1 + 20
    assert "the newest 20 of 30" in html
    assert not re.search(r"<script|<link|<img|href=|https?://(?!www.w3.org)", html)


def test_before_the_first_scored_day_there_is_no_picture(tmp_path: Path) -> None:
    fresh = view([served(1, 4, 4.5)], [])
    assert fresh.plot() == ""
    fresh.write_page(tmp_path / "report.html", "ndcg_at_10", [])
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No day has been scored yet" in html
    assert "<svg" not in html


def test_the_page_before_any_deployment_says_so(tmp_path: Path) -> None:
    view([], []).write_page(tmp_path / "report.html", "ndcg_at_10", [])
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nothing has served yet." in html
    assert "<table" not in html
    assert "<svg" not in html
