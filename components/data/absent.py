"""Columns of the contract that a source, or only some of its files, does not have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.data.files import partition_keys
from components.data.lines import File
from components.data.selects import Mapping
from components.data.sql import quote_name
from components.errors import ContractError, list_names

MAX_NAMED = 20  # files that a message names


def check_required(
    mapping: Mapping, label: str, required: Iterable[str], have: Sequence[str], files: Sequence[File]
) -> None:
    """Raise ContractError for a required column without a source: all rows would break the rule "missing".

    label: of the source, as data.sources.events[0]; have: columns of all its files.
    """
    known = {name.lower() for name in have}
    absent = [name for name in required if name not in mapping.columns and name not in known]
    if not absent:
        return
    name = absent[0]
    holder = name if name in partition_keys(files) else "your_column"
    raise ContractError(
        f"{label}: {list_names([f.name for f in files], 1)}: expected a column {', '.join(absent)}, found "
        f"{', '.join(map(quote_name, have))}; write what holds it in `columns`, as in {name}: {holder}, or correct the "
        "file's first line or `delimiter`"
    )


def describe_absent(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return a sentence for each group of files without the same columns; pairs: file and column."""
    by_column: dict[str, list[str]] = {}
    for file, column in pairs:
        by_column.setdefault(column, []).append(file)
    columns: dict[tuple[str, ...], list[str]] = {}
    for column, files in by_column.items():
        columns.setdefault(tuple(files), []).append(column)
    return [
        f"{list_names(list(files), MAX_NAMED)} {'has' if len(files) == 1 else 'have'} no column {', '.join(names)}"
        for files, names in columns.items()
    ]
