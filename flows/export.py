"""`carousel export`: the lists of all users, or of those in a file, without a server."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from components.data.databases import expand_environment
from components.errors import BusyError, ContractError
from components.io import describe_problems
from components.offline.database import ListTable, is_address
from components.offline.export import Job, export_lists
from components.offline.model import OfflineModel, make_filters, read_quota
from components.offline.sources import check_one, open_folder, open_store, open_version
from components.offline.users import AllUsers, UserFile
from components.redact import holds_literal_secret
from components.release.written_files import note_written
from components.serving.schemas import DEFAULT_K, Filters, RecommendRequest
from components.serving.storage.event_store import EventStore
from components.times import now_micros, to_micros, with_zone
from flows import markdown
from flows.artifacts import StageProgress
from flows.passes import cancel_when_busy
from flows.tasks import in_flow_run
from flows.workspace import Workspace, open_workspace

log = logging.getLogger(__name__)
TABLE = "recommendations"
Length = Annotated[int, Field(ge=1)]
Version = Annotated[int, Field(ge=1)]
Diversity = Annotated[float, Field(ge=0, le=1)]


@flow(name="export", flow_run_name="export")
def export(
    to: str | None = None,
    table: str = TABLE,
    users: str | None = None,
    k: Length = DEFAULT_K,
    rules: list[str] | None = None,
    in_stock: bool = False,
    diversity: Diversity = 0.0,
    quotas: list[str] | None = None,
    version: Version | None = None,
    bundle: str | None = None,
    as_of: datetime | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
) -> Any:
    """Write the lists of many users to a file or a table; go on with a killed export. Return the Manifest as a dict.

    Args:
        to: File (.parquet, .csv, .jsonl) or URL of an SQLite or PostgreSQL database, in which ${NAME} is an environment
            variable. Empty: exports/lists.parquet in the shop's folder.
        table: Name of the table, where `to` is a database.
        users: Text file with one user id a line; empty: all users with stored events.
        k: Length of a list, at most serving.max_k.
        rules: Expressions over product columns, all of which must hold, such as price < 50.
        in_stock: Without products whose stock is known to be 0.
        diversity: 0 orders by score alone, 1 by difference in text alone.
        quotas: How many items of a kind a list holds, KIND:LEAST or KIND:LEAST:MOST, such as article:2:3.
        version: Version of the model; empty: the champion.
        bundle: Bundle folder, in place of a version.
        as_of: Events up to this time count; empty: up to now.
        overrides: Further values, such as release.name="my-shop".
        overlays: Overlay files: those of the shop.
    """
    request = _make_request(k, make_filters(rules or [], in_stock), diversity, quotas or [])
    workspace = open_workspace(overlays or [], overrides or [], None)
    target = find_target(workspace, to, table)
    try:
        content = _export(workspace, target, request, users, version, bundle, as_of)
    except BusyError as busy:
        return cancel_when_busy(busy)
    if in_flow_run():
        rows = [{"field": name, "value": str(value)} for name, value in content.items()]
        create_markdown_artifact(markdown.table(rows), key="export", description=f"Lists in {content['to']}")
    return content


def _make_request(k: int, filters: Filters, diversity: float, quotas: Sequence[str]) -> RecommendRequest:
    """Return what each list is made by; raises ContractError for quotas that no list can keep."""
    wanted = [read_quota(text) for text in quotas]
    try:
        return RecommendRequest(k=k, filters=filters, diversity=diversity, quotas=wanted)
    except ValueError as error:
        raise ContractError(f"quotas: {describe_problems(error)}") from None


def _export(
    workspace: Workspace,
    target: Path | ListTable,
    request: RecommendRequest,
    users: str | None,
    version: int | None,
    bundle: str | None,
    as_of: datetime | None,
) -> dict[str, Any]:
    """Write the lists, with a line in the log and progress on the run page for each part; return the manifest."""
    started, progress = time.monotonic(), StageProgress(1, "Users whose lists are finished")

    def report(done: int, total: int) -> None:
        log.info("lists of %d of %d users, %.0f s", done, total, time.monotonic() - started)
        progress.total = total
        progress.show(done)

    store = open_store(workspace.settings, workspace.params, workspace.root)
    try:
        job = Job(
            target=target,
            request=request,
            users=UserFile(Path(users), workspace.params.data.null_ids) if users else AllUsers(store),
            folder=workspace.shop / "exports/unfinished",
            as_of=now_micros() if as_of is None else to_micros(with_zone(as_of)),
            is_exact=as_of is not None,
        )
        done = export_lists(open_model(workspace, store, version, bundle), job, report)
        if isinstance(target, Path):
            note_written(workspace.shop, target)
    finally:
        store.close()
    return done.model_dump(mode="json") | {"to": job.where}


def open_model(workspace: Workspace, store: EventStore | None, version: int | None, bundle: str | None) -> OfflineModel:
    """Return the model of a version, of a bundle folder, or of the champion; raises ContractError for two of them."""
    check_one(version, bundle)
    if bundle is None:
        return open_version(workspace.registry(), workspace.params, version, store)
    return open_folder(Path(bundle), workspace.params, store)


def find_target(workspace: Workspace, to: str | None, table: str) -> Path | ListTable:
    """Return the file or table of an export; raises ContractError for a password outside of the environment."""
    if to is None:
        return workspace.shop / "exports/lists.parquet"
    if not is_address(to):
        return Path(to).resolve()
    if holds_literal_secret(to):
        raise ContractError(
            "the address holds a password; write ${NAME} in its place and set that environment variable"
        )
    return ListTable(expand_environment(to, "the address of the export"), table)
