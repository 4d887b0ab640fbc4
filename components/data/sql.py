"""SQL text from names and values."""

from collections.abc import Iterable


def name(column: str) -> str:
    """Return the column as SQL names it."""
    return '"' + column.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return the text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def joined(texts: Iterable[str]) -> str:
    """Return the texts as an SQL list."""
    return "[" + ", ".join(quoted(t) for t in texts) + "]"
