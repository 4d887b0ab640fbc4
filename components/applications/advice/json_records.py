"""The values in files of JSON Lines: keys, the values of records in them, and of the records in their lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from components.data.expressions import Expression, parse
from components.data.lines import File, read_lines
from components.data.selects import EACH
from components.data.sql import quote_name, quote_text
from components.errors import ContractError

JSON_LINES = 300  # of a file whose keys are listed
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class JsonTree:
    """The values of JSON records: path -> SQL; and of the records in their lists, list -> path -> SQL over `each`."""

    leaves: dict[str, str]
    lists: dict[str, dict[str, str]]


def read_tree(file: File) -> JsonTree:
    """Return the values of the first records of a file."""
    leaves: dict[str, str] = {}
    lists: dict[str, dict[str, str]] = {}
    for record in _records(file):
        for key, value in record.items():
            if isinstance(value, dict):
                for path, sql in _inner(value, quote_if_needed(key)):
                    leaves[f"{key}.{path}"] = sql
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                lists.setdefault(key, {}).update(_inner(value[0], EACH))
            else:
                leaves.setdefault(key, quote_if_needed(key))
    return JsonTree({k: v for k, v in leaves.items() if k not in lists}, lists)


def _inner(value: dict[str, Any], sql: str) -> Iterator[tuple[str, str]]:
    """Yield path and SQL of the values of a record, two levels deep."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            for name in inner:
                yield f"{key}.{name}", f"{sql}->{quote_text(key)}->>{quote_text(name)}"
        else:
            yield key, f"{sql}->>{quote_text(key)}"


def _records(file: File) -> Iterator[dict[str, Any]]:
    for line in islice(read_lines(file), JSON_LINES):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def read_keys(file: File) -> tuple[str, ...]:
    """Return the keys of the first records of a file, sorted."""
    return tuple(sorted({key for record in _records(file) for key in record}))


def quote_if_needed(name: str) -> str:
    """Return the column as an SQL name, in double quotes where it needs them."""
    return name if _is_plain(name) else quote_name(name)


@lru_cache(maxsize=4096)
def _is_plain(name: str) -> bool:
    """Return whether DuckDB reads the name as a column without quotes."""
    import duckdb

    if not _WORD.fullmatch(name) or name.lower() == EACH:
        return False
    try:
        with duckdb.connect() as connection:
            found: Expression = parse(connection, "column", name)
    except ContractError:
        return False
    return found.names == (name,)
