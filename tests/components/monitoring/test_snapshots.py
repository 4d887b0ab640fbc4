"""Snapshots of drift reports: each once, the oldest go, none without a report."""

import os
from pathlib import Path

import pytest

from components.monitoring import snapshots
from components.monitoring.snapshots import FILE, project_id, store_snapshot


def write(report: Path, text: str) -> Path:
    report.mkdir(exist_ok=True)
    (report / FILE).write_text(text)
    return report


def test_a_report_is_stored_once_in_the_project_of_its_shop(tmp_path: Path) -> None:
    report = write(tmp_path / "drift", '{"day": 1}')
    first = store_snapshot(tmp_path / "home", "teas", report)
    assert first is not None
    assert first.read_text() == '{"day": 1}'
    assert first.parent == tmp_path / "home/evidently" / str(project_id("teas")) / "snapshots"
    assert store_snapshot(tmp_path / "home", "teas", report) == first
    second = store_snapshot(tmp_path / "home", "teas", write(report, '{"day": 2}'))
    assert sorted(first.parent.iterdir()) == sorted(filter(None, [first, second]))
    assert project_id("books") != project_id("teas")


def test_without_compared_columns_there_is_none(tmp_path: Path) -> None:
    assert store_snapshot(tmp_path / "home", "teas", tmp_path) is None
    assert not (tmp_path / "home").exists()


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 2)
    files = []
    for day in range(4):
        file = store_snapshot(tmp_path / "home", "teas", write(tmp_path / "drift", f'{{"day": {day}}}'))
        assert file is not None
        os.utime(file, (day, day))
        files.append(file)
    assert [file.exists() for file in files] == [False, False, True, True]
