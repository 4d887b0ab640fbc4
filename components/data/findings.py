"""What ingest reports of a table although no row breaks a rule: words read as no value, contradictions, odd shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.supersession import find_contradictions

if TYPE_CHECKING:
    from components.data.staged_rows import Frequent, StagedRows
    from components.data.staging import Staging
    from components.params import DataParams

MAX_NOTES = 10  # most frequent words that are reported
MIN_EVENTS = 50  # below it, shares say nothing
MIN_RATIO = 2  # events of the first, relative to the second: several large customers are a shop's own affair
# User ids that stand for no user in some shops; others are not shown, as they identify a person.
USUAL_GUESTS = ("0", "-1", "1", "00000000", "guest", "anonymous", "unknown", "visitor", "test")


def find(staging: Staging, rows: StagedRows, table: str, data: DataParams) -> list[str]:
    """Return the findings of a staged table, each a sentence; raises QualityError for too many contradictions."""
    notes = rows.outcomes.count_notes()[:MAX_NOTES]
    found = [f"{note} was read as no value in {n} rows" for note, n in notes]
    if table == "products":
        found += find_contradictions(staging.sql, data.max_contradiction_share)
    if table == "events":
        for column in ("user_id", "item_id"):
            found += _find_dominant(rows.most_frequent(column), column, data)
    return found


def _find_dominant(rows: Frequent, column: str, data: DataParams) -> list[str]:
    """Return a sentence where one user or product has an odd share of the events: often a word for no value."""
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
