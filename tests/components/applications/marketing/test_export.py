"""Audiences as files: no cell of the CSV is a formula, and Parquet holds the values as they are."""

import csv
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.applications.marketing.export import write_audience
from components.errors import ContractError

MEMBERS = pd.DataFrame({
    "user_id": ["=1+1", "+49", "-2", "@x", "\tcell", "\uff1dSUM(1)", "u7", 'a,"b"'],
    "score": [-0.5, 0.25, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
})  # fmt: skip


def test_texts_of_the_csv_begin_no_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    write_audience(tmp_path / "audience.csv", MEMBERS)
    with (tmp_path / "audience.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["user_id"] for row in rows][:5] == ["'=1+1", "'+49", "'-2", "'@x", "'\tcell"]
    assert [row["user_id"] for row in rows][5:] == ["'\uff1dSUM(1)", "u7", 'a,"b"']
    assert float(rows[0]["score"]) == -0.5


def test_parquet_holds_the_values_as_they_are(tmp_path: Path) -> None:
    write_audience(tmp_path / "audience.parquet", MEMBERS)
    assert pq.read_table(tmp_path / "audience.parquet")["user_id"].to_pylist() == MEMBERS["user_id"].tolist()


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"ends in \.csv or \.parquet"):
        write_audience(tmp_path / "audience.xlsx", MEMBERS)
