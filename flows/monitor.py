"""Monitoring: drift, freshness and volume of the newest data against the champion's training window."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed

from components.contracts import DriftVerdict
from components.errors import BusyError
from components.io import read_record
from components.release import status
from flows import markdown, passes
from flows.scoring import record_outcomes
from flows.tasks import in_flow_run
from flows.workspace import DRIFT, Workspace, locked_workspace

STAGES = ("resolve", "ingest", "drift")
EVENT = "carousel.drift"  # prefect.yaml starts a retrain on this event


@flow(name="monitor", flow_run_name="monitor")
def monitor(
    as_of: datetime | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None
) -> Any:
    """Take a snapshot and compute drift; emit EVENT when there is drift. Return the DriftVerdict as a dict.

    Args:
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        overrides: Further values, such as drift.max_drifted_share=0.2.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    try:
        with locked_workspace(
            overlays or [], overrides or [], as_of, "monitoring", *passes.deployed_run_info()
        ) as workspace:
            passes.run_stages(workspace, STAGES, after_ingest=lambda: record_outcomes(workspace))
            verdict = read_record(workspace.root / DRIFT, DriftVerdict, "drift")
            status.store_last(workspace.shop, None, workspace.root / DRIFT)
    except BusyError as busy:
        return passes.cancel_when_busy(busy)
    content = verdict.model_dump(mode="json")
    if not in_flow_run():
        return content
    create_markdown_artifact(
        markdown.drift(verdict), key="drift", description="Drift against the champion's training window"
    )
    if verdict.drifted:
        _emit(workspace, verdict)
    return Completed(name="Drifted" if verdict.drifted else "Completed", message=markdown.label(verdict), data=content)


def _emit(workspace: Workspace, verdict: DriftVerdict) -> None:
    name = workspace.params.release.name
    as_of = workspace.params.data.as_of.isoformat()
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"carousel.shop.{name}", "prefect.resource.name": name},
        payload={"as_of": as_of, "reasons": verdict.reasons},
    )
