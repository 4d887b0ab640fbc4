"""Quoting of names and values in SQL text, and functions of DuckDB that Ibis does not know."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

ROW_NUMBER = "file_row_number"  # DuckDB's name for it
# to_timestamp(text): Unix seconds as text, too, as they are in CSV; null where they are no number
TO_TIMESTAMP = (
    "CREATE OR REPLACE MACRO to_timestamp(seconds) AS "
    "make_timestamptz(TRY_CAST(TRY_CAST(seconds AS DOUBLE) * 1000000 AS BIGINT))"
)


def quote_name(column: str) -> str:
    """Return the column name as a quoted SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_list(texts: Iterable[str]) -> str:
    """Return the texts as a DuckDB list literal."""
    return "[" + ", ".join(quote_text(t) for t in texts) + "]"


def quote_paths(paths: Iterable[str]) -> str:
    """Return the paths as a DuckDB list literal in which `*`, `?` and `[` mean themselves."""
    return quote_list(re.sub(r"[*?\[]", r"[\g<0>]", path) for path in paths)


def read_parquet(paths: Sequence[str], rows: tuple[int, int] | None = None) -> str:
    """Return read_parquet(...) for files of one schema; folders named `key=value` give no columns.

    rows: of one file, with their numbers in the column ROW_NUMBER.
    """
    reader = f"read_parquet({quote_paths(paths)}, hive_partitioning = false"
    if rows is None:
        return f"{reader})"
    chosen = f"{ROW_NUMBER} >= {rows[0]} AND {ROW_NUMBER} < {rows[1]}"
    return f"(SELECT * FROM {reader}, {ROW_NUMBER} = true) WHERE {chosen})"


def is_one_of(text: Any, choices: Collection[str]) -> Any:
    """Return whether an Ibis expression is one of the texts; null for null.

    Not by `isin`: DuckDB makes a join of a long IN, and a join on several threads does not keep the order of the rows.
    """
    import ibis

    return ibis.literal(sorted(choices), "array<string>").contains(text)


def duckdb_function(name: str, inputs: tuple[str, ...], returns: str) -> Callable[..., Any]:
    """Return a function on Ibis expressions that DuckDB computes; types are Ibis types, at most two inputs."""
    import ibis

    if len(inputs) == 1:

        def signature(first: Any) -> None: ...

    else:

        def signature(first: Any, second: Any) -> None: ...  # type: ignore[misc]

    function: Callable[..., Any] = ibis.udf.scalar.builtin(signature, name=name, signature=(inputs, returns))
    return function
