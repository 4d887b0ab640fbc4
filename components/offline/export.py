"""Lists of many users into a file or a table: in parts, in bounded memory, resumed after a kill, replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from components.contracts import Record
from components.errors import ContractError
from components.faults import crash_point
from components.io import atomic_file, read_record, sha256_bytes, sha256_file, sha256_files, write_record
from components.offline.database import ListTable
from components.offline.files import check_suffix, write_file
from components.offline.lists import UserLists, make_lists
from components.offline.model import OfflineModel
from components.offline.parts import PART_USERS, Parts, Plan, read_tables, remove_abandoned
from components.offline.users import UserSource
from components.release.lock import exclusive_lock
from components.serving.schemas import RecommendRequest
from components.serving.storage.event_store import EventStore
from components.times import now_micros, to_iso

BATCH_USERS = 256  # scored at once
Progress = Callable[[int, int], None]  # users whose lists are finished, and users in all


class Manifest(Record):
    """What an export holds. Beside lists.parquet it is lists.parquet.manifest.json. It names no user."""

    export_id: str  # the first part of all list ids
    shop: str
    version: int | None  # in the registry; None: a bundle folder
    bundle_digest: str
    model: str
    as_of: str  # events up to this moment counted
    users: str  # "all", or the digest of the file that named them
    request: dict[str, object]  # k, filters and diversity, as in POST /recommend
    rules: str | None = None  # version of the merchandising rules that applied; None: none did
    n_users: int
    n_with_history: int  # users with an event that the model knows; the others have the most popular products
    n_empty: int  # users for whom no product may be listed; they have no rows
    n_deleted: int  # users who were deleted from the event store while the export ran; they have no rows
    n_rows: int  # products in all lists, before users were deleted
    reasons: dict[str, int]  # why a fallback made the list -> users
    rows_digest: str  # SHA-256 of the finished parts, the same for every format
    files: dict[str, str]  # name -> SHA-256; empty for a table


@dataclass(frozen=True)
class Job:
    """What to export; `target` is a file or a table."""

    target: Path | ListTable
    request: RecommendRequest  # k, filters, diversity; its user is not read
    users: UserSource
    folder: Path  # of exports of the shop that have not ended, private
    as_of: int  # us; events up to this moment count
    is_exact: bool = False  # whether as_of was asked for; else a killed export keeps its own for 12 hours

    @property
    def where(self) -> str:
        """Return the name of the target, without a password."""
        return self.target.where if isinstance(self.target, ListTable) else str(self.target)


def export_lists(model: OfflineModel, job: Job, on_progress: Progress = lambda _done, _all: None) -> Manifest:
    """Write the lists of all users of the job; return the manifest. A killed export goes on with the next call.

    Memory: the lists of PART_USERS users. Raises ContractError for a wrong target or a source without users, BusyError
    where another export writes the same target, StoreError where histories cannot be read.
    """
    if model.store is None:
        raise ContractError("an export reads histories from the shop's event store, and none was opened")
    if isinstance(job.target, Path):
        check_suffix(job.target)
    remove_abandoned(job.folder)
    name = sha256_bytes(job.where.encode())[:16]
    with exclusive_lock(job.folder / f"{name}.lock", f"the export to {job.where}"):
        parts = Parts.open(job.folder / name, _plan(model, job), job.is_exact)
        with threadpool_limits(1):  # as in the service: the last bits of a score depend on it
            _make_parts(model, job, parts, on_progress)
        crash_point("export:parts")
        manifest = _finish(model, job, parts, model.store)
        parts.remove()
    return manifest


def read_manifest(target: Path | ListTable) -> Manifest:
    """Return the manifest of an export; raises ContractError where there is none."""
    if isinstance(target, Path):
        return read_record(manifest_file(target), Manifest, "export", "export the lists again")
    content = target.read_manifest()
    if content is None:
        raise ContractError(f"{target.where}: no such export; run `carousel export`")
    return Manifest.model_validate_json(content)


def manifest_file(target: Path) -> Path:
    """Return where the manifest of a file is."""
    return target.with_name(f"{target.name}.manifest.json")


def _plan(model: OfflineModel, job: Job) -> Plan:
    return Plan(
        shop=model.params.release.name,
        version=model.version,
        bundle_digest=model.bundle.digest,
        as_of=job.as_of,
        users=job.users.name,
        request=job.request.model_dump(mode="json", exclude={"user_id", "history", "context", "explain"}),
        list_length=model.params.serving.max_k,
        rules=model.rules.version,
        started=now_micros(),
    )


def _make_parts(model: OfflineModel, job: Job, parts: Parts, on_progress: Progress) -> None:
    """Write the parts that are missing."""
    done, n_all = parts.counts(), job.users.count()
    n_done, number = done.n_users, len(parts.finished())
    item_ids = pa.array(model.bundle.item_ids, pa.string())
    if n_done:
        on_progress(n_done, n_all)
    for user_ids in job.users.pages(PART_USERS, n_done, done.last_user):
        batches = (user_ids[start : start + BATCH_USERS] for start in range(0, len(user_ids), BATCH_USERS))
        lists = [make_lists(model, batch, job.request, parts.plan.as_of) for batch in batches]
        parts.add(number, user_ids, UserLists.concat(lists), item_ids)
        crash_point(f"export:{number}")
        number, n_done = number + 1, n_done + len(user_ids)
        on_progress(n_done, max(n_all, n_done))
    if not number:
        raise ContractError(
            f"no users to export for {parts.plan.shop}: its event store is empty; run `carousel retrain` or send "
            "events to the service, or name users with --users"
        )


def _finish(model: OfflineModel, job: Job, parts: Parts, store: EventStore) -> Manifest:
    """Replace the target by the rows of all parts, without users who were deleted meanwhile."""
    files, plan, counts = parts.finished(), parts.plan, parts.counts()
    deleted = {name for name, at in store.erasures().items() if at >= plan.started}
    gone: set[str] = set()

    def rows() -> Iterator[pa.Table]:
        for table in read_tables(files):
            yield _without(table, deleted, gone, store) if deleted else table

    def manifest(digests: dict[str, str]) -> Manifest:
        return Manifest(
            export_id=plan.export_id,
            model=model.bundle.info.model,
            as_of=to_iso(plan.as_of),
            n_deleted=len(gone),
            rows_digest=sha256_files(files),
            files=digests,
            **plan.model_dump(include={"shop", "version", "bundle_digest", "users", "request", "rules"}),
            **counts.model_dump(exclude={"last_user"}),
        )

    if isinstance(job.target, ListTable):
        job.target.replace(rows(), lambda: manifest({}).model_dump_json())
        return manifest({})
    with atomic_file(job.target) as temporary:
        write_file(temporary, job.target.suffix, rows())
        digest = sha256_file(temporary)
    written = manifest({job.target.name: digest})
    write_record(manifest_file(job.target), written)
    return written


def _without(table: pa.Table, deleted: set[str], gone: set[str], store: EventStore) -> pa.Table:
    """Return the rows of users who are not deleted; add the others to `gone`."""
    users = pc.unique(table["user_id"]).to_pylist()
    found = [user for user in users if store.tombstone_of(user) in deleted]
    gone.update(found)
    return table.filter(pc.invert(pc.is_in(table["user_id"], pa.array(found, pa.string()))))
