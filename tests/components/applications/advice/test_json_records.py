"""Values in JSON Lines: nested records, lists of records, and names that SQL reads otherwise."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from components.applications.advice.json_records import quote_if_needed, read_keys, read_tree
from components.data.files import find_files
from components.data.lines import File

LINE = {"sku": "a", "price": {"net": 2}}
RECORDS: list[dict[str, Any]] = [
    {"id": 1, "customer": {"id": 7, "address": {"city": "Bern"}}, "lines": [LINE], "tags": ["x"]},
    {"id": 2, "customer": {"id": 8, "phone": "1"}, "lines": [], "note": "late"},
]


def file_of(path: Path, lines: list[str]) -> File:
    path.write_text("".join(f"{line}\n" for line in lines))
    return find_files(str(path), path.parent).files[0]


def test_values_of_records_and_of_their_lists(tmp_path: Path) -> None:
    tree = read_tree(file_of(tmp_path / "a.jsonl", [json.dumps(r) for r in RECORDS]))
    assert tree.leaves == {
        "id": "id", "customer.id": "customer->>'id'", "customer.address.city": "customer->'address'->>'city'",
        "customer.phone": "customer->>'phone'", "tags": "tags", "note": "note",
    }  # fmt: skip
    assert tree.lists == {"lines": {"sku": "each->>'sku'", "price.net": "each->'price'->>'net'"}}


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.jsonl", ["{broken", "[1]", '{"b": 1, "a": 2}'])
    assert read_keys(file) == ("a", "b")


@pytest.mark.parametrize("name", ["order", "group", "two words", "each", "ünï", "a.b", 'a"b', "plain_1"])
def test_a_quoted_name_is_read_as_the_column(name: str) -> None:
    with duckdb.connect() as connection:
        column = '"' + name.replace('"', '""') + '"'
        query = f"SELECT {quote_if_needed(name)} FROM (SELECT 5 AS {column})"
        assert connection.execute(query).fetchone() == (5,)
    assert quote_if_needed("plain_1") == "plain_1"
