"""Rows are numbered in each file, and each has one outcome."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.data import counting
from tests.components.data.support import HEADER, good
from tests.components.data.test_staging import staged


def test_rows_are_numbered_in_each_file(tmp_path: Path, settings: Callable[..., Any]) -> None:
    bad = b"u1,i1,never,view,1,1\n"
    files = {"e/1.csv": HEADER + good(3) + bad, "e/2.csv": HEADER + bad + b"short\n" + good(2, user=2) + bad}
    area = staged(tmp_path, settings, files)
    rows = counting.read_quarantined(area, "events").read_all().to_pylist()
    assert [(r["file"], r["row"]) for r in rows] == [("e/1.csv", 4), ("e/2.csv", 1), ("e/2.csv", 2), ("e/2.csv", 5)]
    outcomes = counting.read_outcomes(area, "events")
    worst = outcomes.count_broken_rules()[0]
    assert (worst.rule, worst.file, worst.n_rows, worst.first_row) == ("timestamp: not a timestamp", "e/2.csv", 2, 1)
    counts = outcomes.count_rows()
    assert (counts.read, counts.valid, counts.quarantined) == (9, 5, 4)
