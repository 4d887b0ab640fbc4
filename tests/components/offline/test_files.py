"""The formats of an export, read back; what is no export is an error."""

from pathlib import Path

import pyarrow as pa
import pytest

from components.errors import ContractError
from components.offline.files import READ_COLUMNS, check_suffix, read_file, write_file
from components.offline.parts import SCHEMA

ROWS = [
    {
        "list_id": f"x-{user}",
        "user_id": name,
        "position": n,
        "item_id": item,
        "score": 1 / n,
        "model": "ease",
        "reason": r,
    }
    for user, (name, r) in enumerate([('a "quoted", id', None), ("中文", "no history")])
    for n, item in enumerate(["p,1", 'p"2'], 1)
]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_each_format_is_read_back(suffix: str, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS, SCHEMA)
    path = tmp_path / f"lists{suffix}"
    write_file(path, suffix, [table.slice(0, 2), table.slice(2), table.slice(4)])
    found = [row for part in read_file(path) for row in part.to_pylist()]
    assert found == [{name: row[name] for name in READ_COLUMNS} for row in ROWS]


@pytest.mark.parametrize("name", ["lists.parquet", "lists.csv", "lists.jsonl"])
def test_what_is_no_export_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ContractError, match="expected a file that `carousel export` wrote"):
        list(read_file(path))
    with pytest.raises(ContractError, match="expected a file that `carousel export` wrote"):
        list(read_file(tmp_path / f"none-{name}"))


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ContractError, match=r"lists\.xlsx: expected a name that ends in \.parquet, \.csv, \.jsonl"):
        check_suffix(Path("lists.xlsx"))
