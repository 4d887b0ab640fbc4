"""One table in one file: CSV, JSON Lines or Parquet, for the small tables that are no source of the snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ContractError

if TYPE_CHECKING:
    import pyarrow as pa

READERS = {
    "csv": "read_csv($1, header = true, all_varchar = {text})",
    "jsonl": "read_json_auto($1, format = 'newline_delimited')",
    "parquet": "read_parquet($1)",
}
EXPECTED = ".csv, .jsonl (also with .gz) or .parquet"


def read_flat_file(path: Path, what: str, as_text: bool = False) -> pa.Table:
    """Return the file as an Arrow table. as_text: every value as the text that stands in the file.

    what: how errors name the file, such as "ads.source". Raises ContractError where it cannot be read as a table.
    """
    import duckdb

    reader = READERS.get(path.name.removesuffix(".gz").rpartition(".")[2])
    if reader is None:
        raise ContractError(f"{what} {path}: expected {EXPECTED}")
    columns = "COLUMNS(*)::VARCHAR" if as_text else "*"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            query = f"SELECT {columns} FROM {reader.format(text=str(as_text).lower())}"  # noqa: S608 (constants)
            return connection.execute(query, [str(path)]).to_arrow_table()
        except duckdb.Error as error:
            raise ContractError(f"{what} {path}: cannot be read ({str(error).splitlines()[0]})") from None


def require_columns(table: pa.Table, names: list[str], where: str) -> None:
    """Raise ContractError where the table lacks one of these columns. where: the file, and how to name another."""
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ContractError(f"{where}: no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
