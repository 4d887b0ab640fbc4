"""The finished parts of an export: Parquet files with the lists of PART_USERS users each, so that a killed one goes on.

A part is complete or absent. Which part is next, and for which users, is read from the parts themselves.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from components.contracts import Record
from components.errors import ContractError
from components.io import atomic_file, find_record, sha256_bytes, write_record
from components.offline.lists import UserLists
from components.private import make_folder
from components.serving.inference.scorer import NO_HISTORY
from components.times import HOUR_US, SECOND_US

PART_USERS = 2_000
RESUME_US = 12 * HOUR_US  # an older export is not resumed: its histories are those of yesterday
PLAN = "plan.json"
COUNTS = b"counts"  # in the metadata of a part's schema
SCHEMA = pa.schema(
    [
        ("list_id", pa.string()),
        ("user_id", pa.string()),
        ("position", pa.int32()),  # from 1
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("model", pa.string()),  # that made the list
        ("reason", pa.string()),  # why a fallback made it; null: the version's own model did
    ]
)


class Plan(Record):
    """plan.json: all that the lists depend on. Equal plans on the same events give the same bytes."""

    shop: str
    version: int | None  # None: a bundle folder
    bundle_digest: str
    as_of: int  # us; events up to this moment count
    users: str  # "all", or the digest of the file that names them
    request: dict[str, Any]  # RecommendRequest without a user
    list_length: int  # serving.max_k: products scored for each user before filters
    rules: str | None = None  # version of the merchandising rules; None: none applied
    started: int  # us; the lists do not depend on it

    @property
    def export_id(self) -> str:
        """Return the first part of all list ids: another plan has another one."""
        return sha256_bytes(self.model_dump_json(exclude={"started"}).encode())[:16]

    def is_resumed_by(self, later: Plan, is_exact: bool) -> bool:
        """Return whether the later plan goes on with this one's lists: all is equal but the moment, unless is_exact."""
        oldest = later.as_of - (0 if is_exact else RESUME_US)
        same = self.model_copy(update={"as_of": later.as_of, "started": later.started})
        return same == later and oldest <= self.as_of <= later.as_of


class PartCounts(Record):
    """What is in a part, or in all parts."""

    n_users: int = 0
    n_with_history: int = 0  # users with an event that the model knows
    n_empty: int = 0  # users for whom no product may be listed
    n_rows: int = 0
    reasons: dict[str, int] = Field(default={})  # why a fallback made the list -> users
    last_user: str = ""

    def __add__(self, other: PartCounts) -> PartCounts:
        """Return the counts of this part and the one after it."""
        names = ("n_users", "n_with_history", "n_empty", "n_rows")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        reasons = dict(sorted((Counter(self.reasons) + Counter(other.reasons)).items()))
        return PartCounts(**sums, reasons=reasons, last_user=other.last_user or self.last_user)


class Parts:
    """The folder of an export that has not ended."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan

    @classmethod
    def open(cls, folder: Path, wanted: Plan, is_exact: bool) -> Parts:
        """Return the folder, with the finished parts of the same plan; another plan's parts are removed.

        is_exact: False: an equal plan whose moment is up to RESUME_US earlier is the same, and its moment stays.
        """
        plan = _find_plan(folder)
        if plan is None or not plan.is_resumed_by(wanted, is_exact):
            shutil.rmtree(folder, ignore_errors=True)
            make_folder(folder)
            plan = wanted
            write_record(folder / PLAN, plan)
        return cls(folder, plan)

    def finished(self) -> list[Path]:
        """Return the finished parts, in their order."""
        files: list[Path] = []
        while (file := self._file(len(files))).is_file():
            files.append(file)
        return files

    def counts(self) -> PartCounts:
        """Return the counts of all finished parts."""
        return sum((read_counts(file) for file in self.finished()), PartCounts())

    def add(self, number: int, user_ids: Sequence[str], lists: UserLists, item_ids: pa.StringArray) -> None:
        """Write a part: the lists of these users. item_ids: by item_idx."""
        table, counts = self._table(number, user_ids, lists, item_ids), _count(user_ids, lists)
        table = table.replace_schema_metadata({COUNTS: counts.model_dump_json()})
        with atomic_file(self._file(number)) as temporary:
            pq.write_table(table, temporary, write_page_checksum=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def _table(self, number: int, user_ids: Sequence[str], lists: UserLists, item_ids: pa.StringArray) -> pa.Table:
        first, export_id = number * PART_USERS, self.plan.export_id
        row = np.repeat(np.arange(len(lists)), lists.lengths)
        starts = np.cumsum(lists.lengths) - lists.lengths
        by_user = {
            "list_id": [f"{export_id}-{first + n}" for n in range(len(lists))],
            "user_id": user_ids,
            "model": lists.models,
            "reason": lists.reasons,
        }
        columns = {name: pa.array(values, pa.string()).take(pa.array(row)) for name, values in by_user.items()}
        columns["position"] = pa.array(np.arange(len(row)) - starts[row] + 1, pa.int32())
        columns["item_id"] = item_ids.take(pa.array(lists.item_idx))
        columns["score"] = pa.array(lists.scores)
        return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def read_counts(part: Path) -> PartCounts:
    """Return the counts of a part."""
    return PartCounts.model_validate_json(pq.read_schema(part).metadata[COUNTS])


def read_tables(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the rows of each part; raises ContractError for a damaged file."""
    for part in parts:
        try:
            yield pq.read_table(part, page_checksum_verification=True).replace_schema_metadata(None)
        except (OSError, pa.ArrowException) as error:
            raise ContractError(
                f"{part}: a finished part cannot be read ({error}); remove it and start again"
            ) from None


def remove_abandoned(folder: Path) -> None:
    """Remove the folders of exports to which nothing was added for RESUME_US: they hold ids of users."""
    for plan in folder.glob(f"*/{PLAN}"):
        if time.time() - plan.parent.stat().st_mtime > RESUME_US / SECOND_US:
            shutil.rmtree(plan.parent, ignore_errors=True)


def _find_plan(folder: Path) -> Plan | None:
    """Return the plan; None where there is none, or it is of another version of Carousel."""
    try:
        return find_record(folder / PLAN, Plan, "export_plan")
    except ContractError:
        return None


def _count(user_ids: Sequence[str], lists: UserLists) -> PartCounts:
    return PartCounts(
        n_users=len(lists),
        n_with_history=sum(reason != NO_HISTORY for reason in lists.reasons),
        n_empty=int((lists.lengths == 0).sum()),
        n_rows=len(lists.item_idx),
        reasons=dict(sorted(Counter(reason for reason in lists.reasons if reason).items())),
        last_user=user_ids[-1],
    )
