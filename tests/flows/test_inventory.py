"""The list of `carousel inventory` as a file and on the terminal."""

from pathlib import Path

from flows.inventory import format_cell, write_csv


def test_the_csv_file_is_safe_in_a_spreadsheet(tmp_path: Path) -> None:
    rows = [{"item_id": "=1+1", "stock": None, "order": 2.0}, {"item_id": "a", "stock": -1.5, "order": 0.0}]
    write_csv(tmp_path / "list.csv", rows)
    assert (tmp_path / "list.csv").read_text() == "item_id,stock,order\n'=1+1,,2.0\na,-1.5,0.0\n"


def test_an_empty_list_is_an_empty_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "list.csv", [])
    assert (tmp_path / "list.csv").read_text() == ""


def test_cells() -> None:
    assert [format_cell(value) for value in (None, 1234.56, "order")] == ["", "1,234.6", "order"]
