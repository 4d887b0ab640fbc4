"""Campaigns of the past: who was addressed, who was held out at random, and who responded; invalid rows in quarantine.

Read from `marketing.campaigns`, which maps columns as data.sources does:

    user_id, campaign   ids; a user is in a campaign once
    timestamp           when the campaign began for the user
    treated             true: addressed; false: held out at random, for comparison. Without the column all are treated
    responded           true: did what the campaign asked for
    responded_at        optional: when; without it a response is known after marketing.response_days
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components import ids
from components.data import databases
from components.data.expressions import parse
from components.data.files import find_files
from components.data.lookups import create_lookups
from components.data.parts import make_parts, read_shape
from components.data.selects import Mapping, Part, Shape, columns_of, typed_part
from components.data.sql import TO_TIMESTAMP, quote_list, quote_name, quote_text
from components.errors import ContractError
from components.params.data import LookupParams, SourceParams
from components.times import to_naive_utc

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

COLUMNS = ("user_id", "campaign", "timestamp", "treated", "responded", "responded_at")
DEFAULTS = {"treated": "true", "responded_at": "NULL"}  # SQL of a column that a source may lack
MAX_RAW = 500  # characters of a row's text that quarantine stores


@dataclass(frozen=True)
class Campaigns:
    """The valid rows, and what became of all rows."""

    rows: pd.DataFrame  # COLUMNS, sorted by timestamp, campaign and user_id; times are naive UTC
    quarantine: pd.DataFrame  # file, row, rule, raw: a row for each invalid one
    counts: dict[str, int]  # rows read = valid + invalid + after_as_of + duplicate + filtered

    @staticmethod
    def no_rows() -> pd.DataFrame:
        """Return a quarantine without rows."""
        import pandas as pd

        return pd.DataFrame({"file": pd.Series(dtype=str), "row": pd.Series(dtype="int64")}).assign(
            rule=pd.Series(dtype=str), raw=pd.Series(dtype=str)
        )


def read_campaigns(
    sources: Sequence[SourceParams], root: Path, as_of: datetime, lookups: dict[str, LookupParams] | None = None
) -> Campaigns:
    """Return the campaigns of all sources before as_of. lookups: those of data.lookups, for expressions of columns.

    Raises ContractError for a source that cannot be read, or a wrong expression.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; {TO_TIMESTAMP}")
        create_lookups(connection, lookups or {}, root)
        tables = []
        for number, source in enumerate(sources):
            try:
                found = _selects(connection, f"marketing.campaigns[{number}]", number, source, root)
                connection.execute(f"CREATE TEMP TABLE raw_{number} AS {' UNION ALL BY NAME '.join(found)}")
            except duckdb.Error as error:
                raise ContractError(
                    f"marketing.campaigns[{number}]: cannot be read ({str(error).splitlines()[0]}); correct the source"
                ) from None
            tables.append(f"SELECT * FROM raw_{number}")
        return _judge(connection, " UNION ALL ".join(tables), as_of)


def _selects(connection: DuckDBPyConnection, label: str, number: int, source: SourceParams, root: Path) -> list[str]:
    """Return SELECT statements of a source: COLUMNS as text, _file, _row, _selected and _raw."""
    texts = {name: source.columns.get(name, quote_name(name)) for name in COLUMNS}
    unknown = set(source.columns) - set(COLUMNS)
    if unknown:
        raise ContractError(f"{label} maps unknown columns {sorted(unknown)}; know {', '.join(COLUMNS)}")
    mapping = Mapping(
        "campaigns",
        {name: parse(connection, f"{label}.columns.{name}", text) for name, text in texts.items()},
        parse(connection, f"{label}.where", source.where) if source.where else None,
    )
    optional = [*source.optional, *(name for name in DEFAULTS if name not in source.columns)]
    if source.path is None:
        read, _ = databases.attach(connection, f"campaigns_{number}", source, root)
        file, columns = databases.quarantine_file(source, root), columns_of(connection, read)
        others = [(name, "VARCHAR") for name in optional if name not in {c.lower() for c, _ in columns}]
        return [_select(mapping, typed_part(mapping, read, columns, [file], 0, others), [file.name], _lower(columns))]
    files = find_files(source.path, root).files
    shapes = [read_shape(file, mapping, source.delimiter) for file in files]
    groups = make_parts(connection, mapping, files, shapes, {}, 0, optional)
    return [_select(mapping, g.part, [file.name for file in g.files], _own_columns(g.shape)) for g in groups]


def _own_columns(shape: Shape) -> set[str]:
    """Return the columns that files have, in lower case; a key of JSON Lines counts as there."""
    if shape.kind == "jsonl":
        return set(COLUMNS)
    return _lower(shape.schema) if shape.schema else {name.lower() for name in shape.names}


def _lower(columns: Iterable[tuple[str, str]]) -> set[str]:
    return {name.lower() for name, _ in columns}


def _select(mapping: Mapping, part: Part, names: list[str], have: set[str]) -> str:
    columns = []
    for name in COLUMNS:
        expression = mapping.columns[name]
        is_absent = name in DEFAULTS and expression.names == (name,) and name not in have
        columns.append(f"({DEFAULTS[name] if is_absent else expression.sql})::VARCHAR AS {name}")
    where = f"coalesce({mapping.where.sql}, false)" if mapping.where else "true"
    file = f"{quote_list(names)}[{part.prefix}file - {part.base} + 1]"
    return (
        f"SELECT {', '.join(columns)}, {file} AS _file, row_number() OVER () AS _row, {where} AS _selected, "
        f"left(to_json({part.raw})::VARCHAR, {MAX_RAW}) AS _raw, {part.prefix}broken AS _broken FROM {part.rows}"
    )


def _judge(connection: DuckDBPyConnection, sql: str, as_of: datetime) -> Campaigns:
    """Return the rows by their state: the first broken rule, or none."""
    now = f"TIMESTAMP {quote_text(to_naive_utc(as_of).isoformat(sep=' '))}"
    branches = " ".join(f"WHEN {condition} THEN {rule}" for condition, rule in _rules())
    null_words = ", ".join(quote_text(word) for word in sorted(ids.NULL_WORDS))
    texts = ", ".join(
        f"CASE WHEN lower(trim({name})) NOT IN ({null_words}) THEN nullif(trim({name}), '') END AS text_{name}"
        for name in COLUMNS
    )
    times = (
        f"TRY_CAST(TRY_CAST(text_{name} AS TIMESTAMPTZ) AS TIMESTAMP) AS {name}"
        for name in ("timestamp", "responded_at")
    )
    flags = (f"TRY_CAST(text_{name} AS BOOLEAN) AS {name}" for name in ("treated", "responded"))
    values = ", ".join(["text_user_id AS user_id", "text_campaign AS campaign", *times, *flags])
    connection.execute(
        f"CREATE TEMP TABLE judged AS WITH raw AS ({sql}), texts AS (SELECT {texts}, _file, _row, _selected, _raw, "
        f"_broken FROM raw), typed AS (SELECT {values}, * FROM texts), "
        f"ruled AS (SELECT *, CASE WHEN NOT _selected THEN NULL {branches} END AS _rule FROM typed) "
        f"SELECT *, CASE WHEN NOT _selected THEN 'filtered' WHEN _rule IS NOT NULL THEN 'invalid' "
        f"WHEN timestamp >= {now} THEN 'after_as_of' ELSE 'valid' END AS _state FROM ruled"
    )
    _mark_repeated(connection)
    states = dict(connection.execute("SELECT _state, count(*) FROM judged GROUP BY 1").fetchall())
    names = ("valid", "invalid", "after_as_of", "duplicate", "filtered")
    return Campaigns(
        rows=connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM judged WHERE _state = 'valid' ORDER BY timestamp, campaign, user_id"
        ).df(),
        quarantine=connection.execute(
            "SELECT _file AS file, _row AS row, _rule AS rule, _raw AS raw FROM judged WHERE _state = 'invalid' "
            "ORDER BY ALL"
        ).df(),
        counts={"read": sum(states.values()), **{name: states.get(name, 0) for name in names}},
    )


def _rules() -> list[tuple[str, str]]:
    """Return condition and name of each rule, as SQL; text_<column> is the source's text, null where there is none."""
    rules = [("_broken IS NOT NULL", "_broken")]
    for name in ("user_id", "campaign"):
        too_long = quote_text(f"{name}: longer than {ids.MAX_LENGTH} characters")
        rules += [
            (f"{name} IS NULL", quote_text(f"{name}: missing")),
            (f"length({name}) > {ids.MAX_LENGTH}", too_long),
            (f"regexp_matches({name}, {quote_text(ids.SUSPECT)})", quote_text(f"{name}: not an id")),
        ]
    for name, kind in (("timestamp", "time"), ("treated", "boolean"), ("responded", "boolean")):
        rules += [
            (f"text_{name} IS NULL", quote_text(f"{name}: missing")),
            (f"{name} IS NULL", quote_text(f"{name}: not a {kind}")),
        ]
    return [
        *rules,
        ("responded_at IS NULL AND text_responded_at IS NOT NULL", quote_text("responded_at: not a time")),
        ("responded_at < timestamp", quote_text("responded_at: before timestamp")),
        ("responded_at IS NOT NULL AND NOT responded", quote_text("responded_at: of a user who did not respond")),
    ]


def _mark_repeated(connection: DuckDBPyConnection) -> None:
    """Mark equal rows after the first as duplicates, and all rows of a user that a campaign has in several ways."""
    values = ", ".join(COLUMNS)
    connection.execute(
        f"UPDATE judged SET _state = 'duplicate' WHERE rowid IN (SELECT r FROM (SELECT rowid AS r, row_number() OVER "
        f"(PARTITION BY {values} ORDER BY _file, _row) AS n FROM judged WHERE _state = 'valid') WHERE n > 1); "
        "UPDATE judged SET _state = 'invalid', _rule = 'user_id: several different rows in one campaign' "
        "WHERE _state = 'valid' AND (user_id, campaign) IN (SELECT (user_id, campaign) FROM judged "
        "WHERE _state = 'valid' GROUP BY ALL HAVING count(*) > 1)"
    )
