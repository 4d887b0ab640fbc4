"""The draft: paths that lead to the files of a table and to no other, and columns that must not be taken."""

from pathlib import Path

import pytest

from components.applications.advice.columns import Table
from components.applications.advice.draft import Draft, SourceDraft, one_path, patterns, silence, starts
from components.errors import ContractError


def table_of(root: Path, *names: str) -> Table:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\n1\n")
    return Table(names[0], "v", names, 1, [])


def test_one_pattern_names_the_files_and_next_years(tmp_path: Path) -> None:
    table = table_of(tmp_path, "x/sales_2024.csv", "x/sales_2025.csv")
    assert patterns(table, tmp_path) == ["x/sales_*.csv"]
    assert one_path(table, tmp_path) == "x/sales_*.csv"


def test_a_pattern_that_would_take_another_file_is_not_used(tmp_path: Path) -> None:
    table = table_of(tmp_path, "x/sales_a.csv", "x/sales_b.csv")
    table_of(tmp_path, "x/sales_plan.csv")
    assert patterns(table, tmp_path) == ["x/sales_a.csv", "x/sales_b.csv"]
    assert [start["path"] for start in starts(table, tmp_path)] == ["x/sales_a.csv", "x/sales_b.csv"]
    with pytest.raises(ContractError, match="put them into a folder of their own"):
        one_path(table, tmp_path)


def test_a_database_is_one_source(tmp_path: Path) -> None:
    query = {"attach": "shop.sqlite", "type": "sqlite", "query": "SELECT 1"}
    assert starts(Table("t", "v", (), 1, [], database=query), tmp_path) == [query]


def test_columns_of_our_names_that_hold_something_else_are_null() -> None:
    draft = Draft([SourceDraft("events", {"path": "a"}, {"user_id": "customer"}, seen=("customer", "Price", "event"))])
    silence(draft)
    (events,) = draft.of("events")
    assert events.columns == {"user_id": "customer", "event": "NULL::VARCHAR", "price": "NULL::VARCHAR"}
    assert draft.of("reviews") == []
