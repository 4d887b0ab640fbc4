"""An audience as a file: Parquet as it is; CSV safe to open in a spreadsheet, which would run a formula in a cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.applications.spreadsheets import defuse
from components.errors import ContractError
from components.io import atomic_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")


def write_audience(path: Path, members: pd.DataFrame) -> None:
    """Write the members to a .csv or .parquet file, atomically; raises ContractError for another name.

    In CSV, texts that begin as a formula does get a quote in front, column names too; numbers stay numbers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_suffix(path)
    table = pa.Table.from_pandas(members, preserve_index=False).replace_schema_metadata(None)
    with atomic_file(path) as temporary:
        if path.suffix == ".parquet":
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        else:
            _write_csv(temporary, table)


def check_suffix(path: Path) -> None:
    """Raise ContractError for a file of another format than SUFFIXES."""
    if path.suffix not in SUFFIXES:
        raise ContractError(f"{path.name}: expected a name that ends in {' or '.join(SUFFIXES)}")


def _write_csv(path: Path, table: pa.Table) -> None:
    import pyarrow as pa
    from pyarrow import csv

    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pa.array([None if text is None else defuse(text) for text in column.to_pylist()], pa.string())
        columns[defuse(name)] = column
    csv.write_csv(pa.table(columns), path, csv.WriteOptions(quoting_style="needed"))
