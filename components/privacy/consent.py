"""What an event may be used for. A stored consent names purposes, joined by commas; null: all of them."""

from __future__ import annotations

import re
from collections.abc import Collection

from components.params import PURPOSES, ConsentPurpose

COLUMN = "consent"
YES = ("true", "yes", "y", "t", "1", "1.0", "all", "granted")
NO = ("false", "no", "n", "f", "0", "0.0", "none", "denied", "[]")
UNKNOWN = ("null", "nan", "n/a", "unknown", "undefined")  # as no value
_FLAGS = "|".join(map(re.escape, (*YES, *NO, *UNKNOWN)))
_NAMES = f"(?:{'|'.join(PURPOSES)})"
# a flag, or purposes in any order, also as a JSON list; in lower case, read by RE2 and Python alike
PATTERN = rf"""^(?:{_FLAGS}|\[?[\s"']*{_NAMES}(?:[\s"',;|+]+{_NAMES})*[\s"']*\]?)$"""


def to_stored(purposes: Collection[ConsentPurpose]) -> str | None:
    """Return purposes as they are stored; "" for none of them."""
    return None if set(purposes) >= set(PURPOSES) else ",".join(p for p in PURPOSES if p in purposes)


def allows(purpose: ConsentPurpose, column: str = COLUMN) -> str:
    """Return an SQL condition that every database reads: whether a stored consent includes the purpose."""
    return f"({column} IS NULL OR replace({column}, '{purpose}', '') <> {column})"


def stored_sql(column: str, default: Collection[ConsentPurpose]) -> str:
    """Return DuckDB's SQL for a source's text (PATTERN) as it is stored; default: purposes where there is no text."""
    text = f"lower(trim({column}))"
    absent, chosen = to_stored(default), ", ".join(f"'{purpose}'" for purpose in PURPOSES)
    yes, no, unknown = (", ".join(f"'{word}'" for word in words) for words in (YES, NO, UNKNOWN))
    named = f"array_to_string(list_filter([{chosen}], p -> contains({text}, p)), ',')"
    return (
        f"CASE WHEN {column} IS NULL OR {text} IN ({unknown}) THEN {'NULL' if absent is None else repr(absent)} "
        f"WHEN {text} IN ({yes}) THEN NULL WHEN {text} IN ({no}) THEN '' "
        f"ELSE nullif({named}, '{','.join(PURPOSES)}') END"
    )
