"""A column of a source as text or as a value of the contract: only types whose text is the value are read.

Whole floating-point numbers are integers, NaN and infinity are no value, bytes are text where they are UTF-8. A list of
texts for `category` becomes its levels. Other lists, records, booleans and the like are refused by `check_types`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from components import ids
from components.contracts import LEVEL
from components.data import timestamps
from components.data.schemas import FIELDS, Field
from components.data.sql import duckdb_function, is_one_of
from components.errors import ContractError
from components.params import PERSONAL_DATA, PersonalData
from components.privacy.candidates import CANDIDATES
from components.privacy.masking import mask

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_EXACT_FLOAT32 = 2**24 - 1  # above it, neighbouring whole numbers are the same number
_KINDS = "\x1f"  # behind a masked text, before the kinds; cleaned texts have no control characters
_ENTITY = re.compile(ids.ENTITY)
_NO_TEXT = "not UTF-8; for a UUID in bytes write CAST(hex(column) AS UUID) in `columns`"
_MAX_NESTING = 3  # times that a text may have been escaped, as in "&amp;amp;amp;"
_BLANK = f"[\\x00-\\x20\\x7f-\\x9f{ids.BLANKS}\ufeff]+"
_JSON_LIST = r'^\[\s*"(?:[^"\\]|\\.)*"(?:\s*,\s*"(?:[^"\\]|\\.)*")*\s*\]$'  # of texts


def unescape_html(text: str) -> str:
    """Return the text with HTML entities decoded, also doubly escaped ones; an & without a semicolon stays."""
    for _ in range(_MAX_NESTING):
        decoded = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
        if decoded == text:
            break
        text = decoded
    return text


def register_functions(connection: Any, kinds: Collection[PersonalData] = PERSONAL_DATA) -> None:
    """Add to a DuckDB connection the functions that ingest calls; kinds: of personal data that is masked."""

    def mask_and_name(text: str) -> str:
        found = mask(text, kinds)
        return f"{found.text}{_KINDS}{','.join(found.kinds)}" if found.kinds else text

    connection.create_function("unescape_html", unescape_html, ["VARCHAR"], "VARCHAR")
    connection.create_function("mask_and_name", mask_and_name, ["VARCHAR"], "VARCHAR")
    connection.create_function("mask_personal_data", lambda text: mask(text, kinds).text, ["VARCHAR"], "VARCHAR")


def check_types(types: Mapping[str, str], table: str, file: str) -> None:
    """Raise ContractError where a column of a source has a type that cannot be read; types: DuckDB's, by column."""
    from ibis.backends.sql.datatypes import DuckDBType

    for name, field in FIELDS[table].items():
        advice = _advice(name, DuckDBType.from_string(types[name]), field)
        if advice:
            wanted = "text" if field.dtype == "string" else {"timestamp": "a time"}.get(field.dtype, "a number")
            raise ContractError(
                f"data.sources.{table}: {file}: column {name}: expected {wanted}, got {types[name]}; write an "
                f"expression in `columns`, as in {name}: {advice}"
            )


def _advice(name: str, kind: Any, field: Field) -> str:
    """Return an expression that selects a readable value of the column; empty where its type can be read."""
    if kind.is_string() or kind.is_binary() or kind.is_null():
        return ""
    if kind.is_array():
        is_levels = field.is_levels and kind.value_type.is_string()
        return "" if is_levels else f"array_to_string({name}, '{LEVEL if field.text else ', '}')"
    if kind.is_struct():
        return f"{name}.{kind.names[0]}"
    if kind.is_map():
        return f"{name}['key']"
    if kind.is_json():
        return f"{name}->>'$'"
    if kind.is_boolean() or kind.is_time() or kind.is_interval():
        return f"CAST({name} AS VARCHAR)"
    if kind.is_timestamp() and field.dtype != "timestamp":
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S')"
    if kind.is_date() and field.dtype not in ("string", "timestamp"):
        return f"year({name})"
    return "" if kind.is_numeric() or kind.is_timestamp() or kind.is_date() or kind.is_uuid() else f"{name}::VARCHAR"


def to_text(value: Any, field: Field) -> Any:
    """Return a column as cleaned text, null where the source has no value; typed numbers and times stay typed."""
    kind = value.type()
    if field.dtype != "string" and not (kind.is_string() or kind.is_binary()):
        return _to_number(value) if kind.is_floating() else value
    if kind.is_array():
        text = _join_levels(value)
    elif kind.is_binary():
        text = _decode(value)
    elif kind.is_floating():
        text = _float_text(value)
    elif kind.is_decimal():
        text = value.cast("string").re_replace(r"\.0+$", "")
    else:
        text = value.cast("string")
    if field.text:
        return _clean_text(text, field)
    return cleaned(text) if field.dtype == "string" else strip(text)


def mask_with_kinds(text: Any) -> Any:
    """Return written text in which personal data is masked, with what `split_kinds` reads behind it."""
    import ibis

    mask_and_name = duckdb_function("mask_and_name", ("string",), "string")
    is_candidate = reduce(or_, (text.re_search(pattern) for pattern in CANDIDATES))
    return ibis.ifelse(is_candidate, mask_and_name(text), text)


def split_kinds(text: Any) -> tuple[Any, Any]:
    """Return a column that `mask_with_kinds` gave as the text, and the kinds of its masks joined by commas, or null."""
    import ibis

    at = text.find(_KINDS)
    return (
        ibis.ifelse(at < 0, text, text.substr(0, at)),
        ibis.ifelse(at < 0, ibis.null("string"), text.substr(at + 1)),
    )


def lost_value(value: Any, field: Field) -> list[tuple[Any, str]]:
    """Return conditions under which a column's type has not kept an id, each with the name of its rule."""
    kind = value.type()
    if kind.is_binary():
        text = _decode(value)
        bad = text.isnull() | (text.re_search(ids.RULES[0].pattern) if field.is_id else False)
        return [(value.notnull() & bad, _NO_TEXT)]
    if field.dtype == "timestamp" and kind.is_float32():
        return [
            (value.notnull() & ~value.isnan(), "floating-point number of 32 bits: seconds are lost, export 64 bits")
        ]
    if not field.is_id or not (kind.is_floating() or kind.is_decimal()):
        return []
    is_finite = value.notnull() & ~value.isnan() & ~value.isinf() if kind.is_floating() else value.notnull()
    rules = [(is_finite & ~_is_whole(value), "number with a fraction")]
    if kind.is_float32():
        lost = is_finite & (value.abs() > MAX_EXACT_FLOAT32)
        rules.append((lost, "floating-point number above 2^24: digits are lost, export the column as text"))
    return rules


def to_value(text: Any, field: Field, words: frozenset[str]) -> Any:
    """Return the column, as `to_text` gives it, in the contract's type; null where it is none.

    words: texts that stand for no value, in lower case.
    """
    import ibis

    kind = text.type()
    if field.dtype == "string":
        return ibis.ifelse(is_null_word(text, words), ibis.null("string"), text) if field.null_words else text
    if field.dtype == "timestamp":
        if kind.is_string():
            return timestamps.parsed(text)
        if kind.is_numeric():
            return timestamps.from_number(text)
        return text.cast("timestamp") if kind.is_timestamp() and kind.timezone else text.try_cast("timestamp")
    if kind.is_string():  # "nan" would be a number
        text = ibis.ifelse(is_null_word(text, words), ibis.null("string"), text)
    if field.dtype == "int64" and not kind.is_integer():
        number = text.try_cast("float64")
        return ibis.ifelse(_is_whole(number), number, ibis.null("float64")).try_cast("int64")
    return text.try_cast(field.dtype)


def is_null_word(text: Any, words: frozenset[str]) -> Any:
    """Return whether a text stands for no value."""
    return is_one_of(text.lower(), words)


def cleaned(text: Any) -> Any:
    """Return the expression for `ids.clean`; null where nothing is left."""
    import ibis

    stripped = strip(text)
    nfc = duckdb_function("nfc_normalize", ("string",), "string")(stripped)  # it would cut the text at a NUL
    tidy = ibis.ifelse(text.re_search(ids.PLAIN), text, ibis.ifelse(stripped.re_search(r"\x00"), stripped, nfc))
    digits = tidy.re_replace(r"^-|\.0$", "")
    n_exact = len(ids.MAX_EXACT)
    is_exact = (digits.length() < n_exact) | ((digits.length() == n_exact) & (digits <= ids.MAX_EXACT))
    is_whole = tidy.endswith(".0") & tidy.re_search(ids.INTEGRAL) & is_exact
    return ibis.ifelse(is_whole, tidy.left(tidy.length() - 2), tidy)


def strip(text: Any) -> Any:
    """Return the text without blanks around it, null where nothing is left."""
    import ibis

    edge = f"^[{ids.BLANKS}]+|[{ids.BLANKS}]+$"
    return ibis.ifelse(text.re_search(edge), text.re_replace(edge, ""), text).nullif("")


def _clean_text(text: Any, field: Field) -> Any:
    """Return free text: without entities and control characters; a JSON list of texts as the levels of a category."""
    import ibis

    if field.is_levels:
        levels = duckdb_function("json_extract_string", ("string", "string"), "array<string>")(text, "$[*]")
        is_list = text.startswith("[") & text.re_search(_JSON_LIST)
        text = ibis.ifelse(is_list, _join_levels(levels), text)
    unescape = duckdb_function("unescape_html", ("string",), "string")
    text = ibis.ifelse(text.contains("&"), unescape(text), text)
    return text.re_replace(_BLANK, " ").strip().nullif("")


def _join_levels(levels: Any) -> Any:
    return levels.map(lambda level: level.strip()).filter(lambda level: level != "").join(LEVEL)


def _to_number(value: Any) -> Any:
    """Return floating-point numbers with null for NaN; of 32 bits, the shortest decimal: 19.99, not 19.98999977."""
    import ibis

    number = value.cast("string").cast("float64") if value.type().is_float32() else value
    return ibis.ifelse(value.isnan(), ibis.null("float64"), number)


def _is_whole(value: Any) -> Any:
    """Return whether numbers have no fraction; Ibis' floor casts to int64, which fails for doubles above 2^63."""
    if value.type().is_decimal():
        return value == value.floor()
    return value == duckdb_function("floor", ("float64",), "float64")(value)


def _float_text(value: Any) -> Any:
    """Return whole numbers as integers, others as DuckDB writes them; null for NaN and infinity."""
    import ibis

    is_whole = _is_whole(value) & (value.abs() <= int(ids.MAX_EXACT))
    text = ibis.ifelse(is_whole, value.try_cast("int64").cast("string"), value.cast("string"))
    return ibis.ifelse(value.isnan() | value.isinf(), ibis.null("string"), text)


def _decode(value: Any) -> Any:
    """Return the text of bytes; null where they are not UTF-8."""
    decode = duckdb_function("decode", ("binary",), "string")
    return duckdb_function("try", ("string",), "string")(decode(value))
