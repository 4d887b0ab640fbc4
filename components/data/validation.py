"""A source's rows cast to the contract's types, each with its state and the first rule that it breaks, in Ibis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from components import ids
from components.data.conversion import lost_value, mask_with_kinds, split_kinds, to_text, to_value
from components.data.schemas import Field, broken_rule, fields
from components.params import DataParams
from components.times import to_naive_utc

if TYPE_CHECKING:
    import ibis

VALID, INVALID, AFTER_AS_OF, FILTERED, DUPLICATE, SUPERSEDED = range(6)  # _state of a staged row
SOURCE = "source_rows"  # name of a source's rows within the SQL
MAX_RAW = 4_000  # characters of a row's text that are staged; counting.MAX_QUARANTINED of them are stored
SQL_TYPES = {"string": "VARCHAR", "float64": "DOUBLE", "int64": "BIGINT", "timestamp": "TIMESTAMP"}


def empty_sql(table: str) -> str:
    """Return SQL for the rows of a table without sources, as `validated_sql` would give them."""
    columns = ", ".join(f"NULL::{SQL_TYPES[f.dtype]} AS {n}" for n, f in fields(table, False).items())
    return (
        f"SELECT {columns}, 0 AS _file, NULL::BIGINT AS _row, NULL::VARCHAR AS _rule, "
        "0::TINYINT AS _state, NULL::VARCHAR AS _note, NULL::VARCHAR AS _masked, NULL::VARCHAR AS _raw LIMIT 0"
    )


def validated_sql(
    backend: Any, sql: str, table: str, data: DataParams, masks: bool = True, absent: frozenset[str] = frozenset()
) -> str:
    """Return SQL for the rows of a source (columns: see sources.py), typed, each with its broken rule and state.

    backend: Ibis's connection, where DuckDB tells the types of the columns that `sql` gives.
    masks: whether personal data is masked in what people wrote.
    absent: columns that the source does not have: null in all rows.
    """
    typed_rows = _typed_sql(
        backend.sql(sql).schema(), table, data.anonymous_events, tuple(data.null_ids), data.max_text_chars, data.as_of,
        masks, absent,
    )  # fmt: skip
    columns = ", ".join(f"_is_{n} AS {n}" for n in fields(table, data.anonymous_events))
    return (
        f"WITH {SOURCE} AS NOT MATERIALIZED ({sql}) "  # noqa: S608
        f"SELECT {columns}, _file, _row, _rule, _state::TINYINT AS _state, _note, _masked, "
        f"CASE WHEN _rule IS NOT NULL THEN left(coalesce(_line, _raw::JSON::VARCHAR), {MAX_RAW}) END AS _raw "
        f"FROM ({typed_rows})"
    )


@lru_cache(maxsize=32)  # sources with the same columns share it: to compile takes longer than to read a small file
def _typed_sql(
    columns: ibis.Schema, table: str, anonymous_events: bool, null_ids: tuple[str, ...], max_text_chars: int,
    as_of: datetime, masks: bool, absent: frozenset[str],
) -> str:  # fmt: skip
    """Return SQL for the rows of the table SOURCE, which has these columns."""
    import ibis

    raw = ibis.table(columns, name=SOURCE)
    known = fields(table, anonymous_events)
    present = {n: f for n, f in known.items() if n not in absent}
    words = {n: ids.words_for_null(null_ids if f.is_id else ()) for n, f in known.items()}
    rows = raw.mutate(**{f"_text_{n}": to_text(raw[n], f) for n, f in present.items()})
    rows = _mask(rows, present, masks, max_text_chars)
    rows = rows.mutate(**{f"_text_{n}": ibis.null("string") for n in absent})
    rows = rows.mutate(
        **{f"_is_{n}": to_value(rows[f"_text_{n}"], f, words[n]) for n, f in present.items()},
        **{f"_is_{n}": ibis.null(known[n].dtype) for n in absent},
    )
    judged = {n: f for n, f in known.items() if n in present or f.required}
    texts, values = ({n: rows[f"{prefix}_{n}"] for n in judged} for prefix in ("_text", "_is"))
    lost = {n: lost_value(rows[n], f) for n, f in present.items()}
    rule = rows._broken.coalesce(broken_rule(texts, values, judged, lost, words))
    rows = rows.mutate(_rule=ibis.ifelse(rows._selected, rule, ibis.null("string")))
    later = (rows._is_timestamp >= ibis.timestamp(to_naive_utc(as_of).isoformat())).fill_null(False)
    state = ibis.cases((~rows._selected, FILTERED), (rows._rule.notnull(), INVALID), (later, AFTER_AS_OF), else_=VALID)
    names = [f"_is_{n}" for n in known]
    note = _null_word_note(texts, values)
    typed_rows = rows.select(*names, "_file", "_row", "_rule", "_raw", "_line", "_masked", _state=state, _note=note)
    return str(ibis.to_sql(typed_rows, dialect="duckdb", pretty=False))


def _mask(rows: Any, known: Mapping[str, Field], masks: bool, max_chars: int) -> Any:
    """Return the rows with personal data masked in what people wrote, and _masked: its kinds joined by commas, or null.

    Texts are cut to max_chars afterwards, because half an address would not be found; and to twice as much before, so
    that a text of megabytes takes no longer.
    """
    import ibis

    names = [n for n, f in known.items() if f.is_written and masks]
    rows = rows.mutate(**{f"_text_{n}": mask_with_kinds(rows[f"_text_{n}"].left(2 * max_chars)) for n in names})
    parts = {n: split_kinds(rows[f"_text_{n}"]) for n in names}
    kinds = ibis.literal(",").join([found for _, found in parts.values()]).nullif("") if parts else ibis.null("string")
    texts = {n: parts[n][0] if n in parts else rows[f"_text_{n}"] for n, f in known.items() if f.text}
    return rows.mutate(_masked=kinds, **{f"_text_{n}": text.left(max_chars) for n, text in texts.items()})


def _null_word_note(texts: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return the first column whose text was read as no value, with the text, or null."""
    import ibis

    notes = []
    for name, text in texts.items():
        if text.type().is_string():
            said = ibis.literal(f'{name}: "') + text + '"'
            notes.append(ibis.ifelse(text.notnull() & values[name].isnull(), said, ibis.null("string")))
    return ibis.coalesce(*notes)
