"""What ingest reports of a table although no row breaks a rule: words read as no value, contradictions, odd shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.supersession import find_contradictions
from components.data.validation import VALID

if TYPE_CHECKING:
    from components.data.staging import Staging
    from components.params import DataParams

MAX_NOTES = 10  # most frequent words that are reported
MIN_EVENTS = 50  # below it, shares say nothing
MIN_RATIO = 2  # events of the first, relative to the second: several large customers are a shop's own affair
# User ids that stand for no user in some shops; others are not shown, as they identify a person.
USUAL_GUESTS = ("0", "-1", "1", "00000000", "guest", "anonymous", "unknown", "visitor", "test")


def find(staging: Staging, table: str, data: DataParams) -> list[str]:
    """Return the findings of a staged table, each a sentence; raises QualityError for too many contradictions."""
    found = _find_null_words(staging, table)
    if table == "products":
        found += find_contradictions(staging.sql, data.max_contradiction_share)
    if table == "events":
        found += [*_find_dominant(staging, "user_id", data), *_find_dominant(staging, "item_id", data)]
    return found


def _find_null_words(staging: Staging, table: str) -> list[str]:
    rows = staging.sql.execute(
        f"SELECT _note, count(*) AS n FROM staged_{table} WHERE _note IS NOT NULL AND _state = {VALID} "
        f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MAX_NOTES}"
    ).fetchall()
    return [f"{note} was read as no value in {n} rows" for note, n in rows]


def _find_dominant(staging: Staging, column: str, data: DataParams) -> list[str]:
    """Return a sentence where one user or product has an odd share of the events: often a word for no value."""
    rows = staging.sql.execute(
        f"SELECT {column}, count(*) AS n, sum(count(*)) OVER () FROM staged_events "
        f"WHERE _state = {VALID} AND {column} IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT 2"
    ).fetchall()
    if len(rows) < 2 or rows[0][2] < MIN_EVENTS:
        return []
    (value, n, total), (_, second, _) = rows
    if n <= data.max_share_of_one * total or n < MIN_RATIO * second:
        return []
    shown = f" ({value!r})" if column == "item_id" or value.lower() in USUAL_GUESTS else ""
    return [
        f"{column}: one value{shown} has {n} of {total} events ({n / total:.1%}), {n / second:.1f} times as many as "
        "the next one. Where it stands for no value, name it in data.null_ids; where it is right, raise "
        "data.max_share_of_one"
    ]
