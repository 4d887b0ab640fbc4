"""The file of an export: Parquet and CSV have a row for each product, JSON Lines has a line for each user."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import ContractError
from components.offline.parts import SCHEMA

BATCH_ROWS = 20_000  # read at once
LIST_COLUMNS = ("list_id", "user_id", "model", "reason")  # the same in all rows of a list


def check_suffix(path: Path) -> None:
    """Raise ContractError for a file of an unknown format."""
    if path.suffix not in WRITERS:
        raise ContractError(f"{path.name}: expected a name that ends in {', '.join(WRITERS)}, or the URL of a database")


def write_file(path: Path, suffix: str, tables: Iterable[pa.Table]) -> None:
    """Write the rows of the tables (parts.SCHEMA), one table in memory at a time. suffix: of WRITERS."""
    WRITERS[suffix](path, tables)


def read_file(path: Path) -> Iterator[pa.Table]:
    """Yield list_id, user_id, position and item_id of a file that `write_file` wrote, BATCH_ROWS rows or so at a time.

    Raises ContractError for another file.
    """
    check_suffix(path)
    try:
        yield from READERS[path.suffix](path)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ones
        first = str(error).strip().splitlines()[0] if isinstance(error, OSError) else type(error).__name__
        raise ContractError(
            f"{path}: expected a file that `carousel export` wrote ({first}); export it again"
        ) from None


def _write_parquet(path: Path, tables: Iterable[pa.Table]) -> None:
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            writer.write_table(table)


def _write_csv(path: Path, tables: Iterable[pa.Table]) -> None:
    with pyarrow.csv.CSVWriter(path, SCHEMA) as writer:
        for table in tables:
            writer.write_table(table)


def _write_lines(path: Path, tables: Iterable[pa.Table]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for table in tables:
            for line in _group(table.to_pylist()):
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _group(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a record for each list; the rows of a list stand together, the first at position 1."""
    line: dict[str, Any] = {}
    for row in rows:
        if row["position"] == 1:
            if line:
                yield line
            line = {name: row[name] for name in LIST_COLUMNS} | {"items": []}
        line["items"].append({"item_id": row["item_id"], "score": row["score"]})
    if line:
        yield line


READ_COLUMNS = ["list_id", "user_id", "position", "item_id"]
READ_SCHEMA = pa.schema([SCHEMA.field(name) for name in READ_COLUMNS])


def _parquet_batches(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=READ_COLUMNS):
            yield pa.Table.from_batches([batch])


def _csv_batches(path: Path) -> Iterator[pa.Table]:
    convert = pyarrow.csv.ConvertOptions(column_types=READ_SCHEMA, include_columns=READ_COLUMNS)
    with pyarrow.csv.open_csv(path, convert_options=convert) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _line_batches(path: Path) -> Iterator[pa.Table]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            line: Mapping[str, Any] = json.loads(text)
            rows = [
                {"list_id": line["list_id"], "user_id": line["user_id"], "position": n, "item_id": item["item_id"]}
                for n, item in enumerate(line["items"], 1)
            ]
            yield pa.Table.from_pylist(rows, READ_SCHEMA)


WRITERS: dict[str, Callable[[Path, Iterable[pa.Table]], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_lines,
}
READERS: dict[str, Callable[[Path], Iterator[pa.Table]]] = {
    ".parquet": _parquet_batches,
    ".csv": _csv_batches,
    ".jsonl": _line_batches,
}
