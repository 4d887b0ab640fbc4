"""One table in each format; what is no table is refused with its name."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.flat_files import read_flat_file, require_columns
from components.errors import ContractError


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet"])
def test_formats(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({"id": ["007"], "n": [2]}), path, write_page_checksum=True)
    else:
        text = b'{"id": "007", "n": 2}\n' if "jsonl" in name else b"id,n\n007,2\n"
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert read_flat_file(path, "table", as_text=True).to_pylist() == [{"id": "007", "n": "2"}]
    assert read_flat_file(path, "table")["n"].to_pylist() == [2]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"ads\.source .*t\.xlsx: expected \.csv"):
        read_flat_file(tmp_path / "t.xlsx", "ads.source")
    with pytest.raises(ContractError, match=r"t\.csv: cannot be read"):
        read_flat_file(tmp_path / "t.csv", "table")
    with pytest.raises(ContractError, match="here: no column b; it has a"):
        require_columns(pa.table({"a": [1]}), ["a", "b"], "here")
