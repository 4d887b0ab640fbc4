"""The SQL expressions of a source: the names in them, whether they unnest lists, and messages about wrong ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.data.sql import quote_name
from components.errors import ContractError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNNESTING = ("unnest", "unlist", "generate_subscripts")  # functions that give several rows, or none
LOOKUP = "_of"  # ending of the names of data.lookups


@dataclass(frozen=True)
class Expression:
    """An expression of `columns` or `where` that can be parsed."""

    label: str  # where it stands: "columns.title" or "where"
    sql: str  # in parentheses
    names: tuple[str, ...]  # columns that it refers to
    unnests: bool
    reorders: bool = False  # DuckDB gives the rows in another order
    spans: bool = False  # a row's value depends on other rows


def parse(connection: DuckDBPyConnection, label: str, text: str) -> Expression:
    """Return the expression; raises ContractError where it is none."""
    sql = f"({text}\n)"  # the line end closes a comment
    row = connection.execute("SELECT json_serialize_sql($1)", [f"SELECT {sql}"]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        reason = tree.get("error_message", "not one expression")
        advice = _advice(connection, label, text)
        raise ContractError(f"{label}: expected an SQL expression, got `{text}` ({reason}){advice}")
    names = dict.fromkeys(_names_in(tree))
    selected = tree["statements"][0]["node"]["select_list"]
    spans = _contains(selected, _spans)
    reorders = spans or _contains(selected, _looks_up)
    return Expression(label, sql, tuple(names), _unnests(selected), reorders, spans)


def _advice(connection: DuckDBPyConnection, label: str, text: str) -> str:
    """Return what may be wrong: a column name that SQL does not read as one."""
    key = label.rpartition(".")[2]
    if re.fullmatch(r"\w+", text):
        return f", which is a word of SQL; if it is a column, put it in double quotes: {key}: '{quote_name(text)}'"
    reserved = {str(r[0]) for r in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()} & set(
        re.findall(r"\w+", text.lower())
    )
    words = f" ({', '.join(sorted(reserved))})" if reserved else ""
    return (
        f"; a column whose name has blanks or signs, or is a word of SQL{words}, needs double quotes, such as "
        f"{key}: '{quote_name('Order no.')}'"
    )


def _names_in(node: Any) -> Iterator[str]:
    """Yield the columns that it refers to; a parameter of a lambda is none."""
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield str(node["column_names"][0])
        elif node.get("class") == "LAMBDA":
            parameters = set(_names_in(node["lhs"]))
            yield from (name for name in _names_in(node["expr"]) if name not in parameters)
            return
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        yield from _names_in(child)


def _unnests(node: Any) -> bool:
    """Return whether it gives another number of rows than it is given; a subquery gives one value."""
    if isinstance(node, dict):
        if node.get("class") == "SUBQUERY":
            return False
        if node.get("class") == "FUNCTION" and node.get("function_name") in UNNESTING:
            return True
        node = list(node.values())
    return any(_unnests(child) for child in node) if isinstance(node, list) else False


def _contains(node: Any, is_wanted: Callable[[dict[str, Any]], bool]) -> bool:
    if isinstance(node, dict):
        if is_wanted(node):
            return True
        node = list(node.values())
    return any(_contains(child, is_wanted) for child in node) if isinstance(node, list) else False


def _spans(node: dict[str, Any]) -> bool:
    """Return whether it is a window function or a subquery."""
    return node.get("class") in ("WINDOW", "SUBQUERY")


def _looks_up(node: dict[str, Any]) -> bool:
    """Return whether it is a lookup, for which DuckDB joins the rows."""
    return node.get("class") == "FUNCTION" and str(node.get("function_name")).endswith(LOOKUP)
