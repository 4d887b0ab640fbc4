"""The files of applications/marketing: what the service and `carousel audience` read, and the next run starts from.

users.parquet       the user table with segments, values and expected responses; a row for each user
members.parquet     scores and clusters of each user: with segments.json, what the next run starts from
segments.json       edges, clusters and names
summary.json        the segments as people read them, and the settings of audiences
quarantine.parquet  invalid rows of the campaigns, with the rule that each breaks
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.applications.marketing.response import ResponseJudgement
from components.applications.marketing.segments import MEMBER_COLUMNS, SegmentedUsers, SegmentState, SegmentSummary
from components.contracts import Record
from components.errors import ContractError
from components.io import atomic_file, find_record, read_record, write_record

if TYPE_CHECKING:
    import pandas as pd

USERS, MEMBERS, QUARANTINE = "users.parquet", "members.parquet", "quarantine.parquet"
STATE, SUMMARY = "segments.json", "summary.json"
ADVICE = "run `carousel marketing` again"


class MarketingSummary(Record):
    """summary.json."""

    as_of: str
    holdout_share: float
    has_response_model: bool  # False: response_rank is the order by recency and frequency
    has_uplift_model: bool
    segments: list[SegmentSummary]
    response: ResponseJudgement | None = None  # None: not judged, or published before it was kept


@dataclass(frozen=True)
class PublishedMarketing:
    """What a published folder holds."""

    summary: MarketingSummary
    users: pd.DataFrame


def write_published(
    folder: Path, summary: MarketingSummary, users: pd.DataFrame, segmented: SegmentedUsers, quarantine: pd.DataFrame
) -> None:
    """Write all files but record.json."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / USERS, users)
    _write_table(folder / MEMBERS, segmented.members[MEMBER_COLUMNS])
    _write_table(folder / QUARANTINE, quarantine)
    write_record(folder / STATE, segmented.state)
    write_record(folder / SUMMARY, summary)


def read_published(folder: Path) -> PublishedMarketing:
    """Return what `write_published` left; raises ContractError where a file is not there or damaged."""
    summary = read_record(folder / SUMMARY, MarketingSummary, "marketing_summary", ADVICE)
    return PublishedMarketing(summary, _read_table(folder / USERS))


def read_previous(folder: Path | None, as_of: datetime) -> SegmentedUsers | None:
    """Return the segments of a published folder that is of an earlier moment; None where there is none.

    A run on the same moment starts from what the one before started from: from nothing, so that it gives the same.
    """
    if folder is None:
        return None
    state = find_record(folder / STATE, SegmentState, "marketing_segments", ADVICE)
    if state is None or datetime.fromisoformat(state.as_of) >= as_of:
        return None
    return SegmentedUsers(state, _read_table(folder / MEMBERS))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    with atomic_file(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd", write_page_checksum=True)


def _read_table(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"{path}: cannot be read ({type(error).__name__}); {ADVICE}") from None
