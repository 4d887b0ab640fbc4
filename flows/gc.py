"""`carousel gc`: removes what no version, run or reader needs, by the policy of params.gc."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas import filters
from prefect.client.schemas.objects import TERMINAL_STATES

from components.contracts import Record
from components.errors import BusyError
from components.release import leftovers
from components.release.dvc_store import clean_stores
from components.release.erase_versions import current_digest
from components.release.records import Cleaned
from components.release.registry_gc import clean_registry
from components.release.retention import Retention, list_versions
from components.serving.http.audit import AuditLog
from components.serving.storage.compaction import compact_exposures
from flows import markdown
from flows.passes import cancel_when_busy
from flows.tasks import in_flow_run
from flows.workspace import Workspace, locked_workspace

MIB = 1 << 20
PAGE = 200  # flow runs of one request


class GcReport(Record):
    """`carousel gc --json`."""

    dry_run: bool  # True: nothing was removed
    size: int  # bytes that were freed, in all
    cleaned: list[Cleaned]
    retained: dict[int, str]  # version -> why it stays


@flow(name="gc", flow_run_name="gc")
def gc(dry_run: bool = False, overrides: list[str] | None = None, overlays: list[str] | None = None) -> Any:
    """Remove old versions, unneeded files and old records, by params.gc; return the GcReport as a dict.

    Args:
        dry_run: Say what would be removed, and remove nothing.
        overrides: Further values, such as gc.keep_versions=5.
        overlays: Overlay files: those of the shop.
    """
    try:
        with locked_workspace(overlays or [], overrides or [], None, "a clean-up") as workspace:
            report = clean(workspace, dry_run)
    except BusyError as busy:
        return cancel_when_busy(busy)
    if in_flow_run():
        create_markdown_artifact(markdown.table(rows(report)), key="gc", description="What was removed")
    return report.model_dump(mode="json")


def clean(workspace: Workspace, dry_run: bool) -> GcReport:
    """Clean everything in order: the registry decides which data stay. The caller holds the lock of retrain."""
    settings, home, policy = workspace.settings, workspace.settings.home, workspace.params.gc
    retention, found = clean_registry(workspace.registry(), settings, policy.keep_versions, policy.keep_days, dry_run)
    found += [leftovers.clean_workspaces(home, policy.workspaces, dry_run), *_clean_dvc(workspace, retention, dry_run)]
    shown = workspace.shop / "serving/exposures"
    n_files, size = compact_exposures(shown, policy.exposure_days, datetime.now(UTC), dry_run)
    found += [
        Cleaned(what="exposure files", count=n_files, size=size, note="merged by day" if n_files else ""),
        _clean_audit(workspace, dry_run),
        leftovers.clean_embeddings(home, policy.embedding_caches, dry_run),
        leftovers.clean_boards(workspace.root, policy.keep_days, dry_run),
        leftovers.clean_logs(home, round(policy.log_mib * MIB), dry_run),
        clean_flow_runs(datetime.now(UTC) - timedelta(days=policy.keep_days), dry_run),
    ]
    found += [leftovers.compact_database(home / name, dry_run) for name in ("mlflow.db", "prefect/prefect.db")]
    return GcReport(dry_run=dry_run, size=sum(row.size for row in found), cleaned=found, retained=retention.keep)


def _clean_audit(workspace: Workspace, dry_run: bool) -> Cleaned:
    """Remove lines of the audit log that are older than gc.audit_days."""
    before = datetime.now(UTC) - timedelta(days=workspace.params.gc.audit_days)
    size = AuditLog(workspace.shop / "audit.jsonl").remove_before(before, dry_run)
    return Cleaned(what="audit log", count=int(size > 0), size=size)


def _clean_dvc(workspace: Workspace, retention: Retention, dry_run: bool) -> list[Cleaned]:
    """Clean DVC's stores, where a version is registered: its data, and those of other shops' versions, stay."""
    registry, root, home = workspace.registry(), workspace.root, workspace.settings.home
    if not retention.keep:
        return [Cleaned(what="DVC cache", count=0, size=0, note="no version is registered; not cleaned")]
    removed = {row.run_id for row in list_versions(registry, registry.name) if row.number in retention.remove}
    staying = [row for row in list_versions(registry, None) if row.run_id not in removed]
    snapshots = {current_digest(home, row.tags["data_version"]) for row in staying if "data_version" in row.tags}
    workspaces = leftovers.list_workspaces(home, workspace.params.gc.workspaces)
    return clean_stores(root, [*workspaces, home / "checkout"], snapshots, [root, home], dry_run)


def clean_flow_runs(before: datetime, dry_run: bool) -> Cleaned:
    """Remove flow runs that ended and were due before this moment, with their task runs, from the Prefect server."""
    if not in_flow_run():
        return Cleaned(what="flow runs", count=0, size=0, note="no Prefect server answers")
    wanted = filters.FlowRunFilter(
        expected_start_time=filters.FlowRunFilterExpectedStartTime.model_validate({"before_": before}),
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=sorted(TERMINAL_STATES))),
    )
    n_runs, offset = 0, 0
    with get_client(sync_client=True) as client:
        while page := client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=offset):
            n_runs += len(page)
            offset += len(page) if dry_run else 0
            for run in () if dry_run else page:
                client.delete_flow_run(run.id)
    return Cleaned(what="flow runs", count=n_runs, size=0)


def rows(report: GcReport) -> list[dict[str, str]]:
    """Return a row per part, the total last."""
    total = Cleaned(what="total", count=sum(row.count for row in report.cleaned), size=report.size)
    return [
        {"what": row.what, "count": str(row.count), "MB": f"{row.size / 1e6:.1f}", "note": row.note}
        for row in [*report.cleaned, total]
    ]


def show(report: GcReport) -> None:
    """Print the table, and the versions that stay."""
    from flows import terminal

    lines = rows(report)
    terminal.table([tuple(lines[0]), *(tuple(row.values()) for row in lines)])
    names = ", ".join(f"{number} ({why})" for number, why in report.retained.items()) or "none"
    terminal.write(f"\nversions that stay: {names}")
    if report.dry_run:
        terminal.write("nothing was removed: --dry-run")
