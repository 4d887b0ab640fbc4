"""Monitoring: does the shop need a retrain, a refresh, nothing, or somebody who looks at its data?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed

from components.contracts import Check, DriftVerdict, Record
from components.errors import BusyError
from components.io import write_record
from components.monitoring.advice import Action, Advice, Signals, advise
from components.release import status, unlearning
from components.release.signals import read_signals
from flows import markdown, passes
from flows.events import emit_shop_event
from flows.scoring import record_outcomes
from flows.tasks import in_flow_run
from flows.workspace import DRIFT, Workspace, locked_workspace

STAGES = ("resolve", "ingest", "drift")
EVENTS = {  # prefect.yaml starts a run on the first two
    "refresh": "carousel.refresh.wanted",
    "retrain": "carousel.retrain.wanted",
    "alarm": "carousel.alarm",
}
STATES = {"nothing": "Completed", "refresh": "RefreshWanted", "retrain": "RetrainWanted", "alarm": "Alarm"}
CODES = {"nothing": 0, "alarm": 2, "refresh": 4, "retrain": 5}  # exit codes; 1 is a fault


class MonitorReport(Record):
    """The result of `carousel monitor`."""

    action: Action
    reasons: tuple[str, ...]
    as_of: str
    drift: DriftVerdict
    failed: tuple[Check, ...]  # guardrails on the data that did not hold
    notes: tuple[str, ...]  # which guardrails on the data could not be checked, and why


@flow(name="monitor", flow_run_name="monitor")
def monitor(
    as_of: datetime | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None
) -> Any:
    """Check data, drift and age of the champion; emit the event of what is wanted. Return the MonitorReport as a dict.

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
            signals, advice = take_advice(workspace)
    except BusyError as busy:
        return passes.cancel_when_busy(busy)
    report = MonitorReport(
        action=advice.action,
        reasons=advice.reasons,
        as_of=advice.as_of,
        drift=signals.drift,
        failed=signals.checks.failed,
        notes=signals.checks.notes,
    )
    content = report.model_dump(mode="json")
    if not in_flow_run():
        return content
    create_markdown_artifact(markdown.advice(advice), key="monitor", description="What the check asks for, and why")
    create_markdown_artifact(
        markdown.checks(signals.checks.checks), key="data-checks", description="Guardrails on data"
    )
    create_markdown_artifact(
        markdown.drift(signals.drift), key="drift", description="Drift against the champion's training window"
    )
    if advice.action != "nothing":
        emit_shop_event(workspace, EVENTS[advice.action], advice.as_of, advice.reasons)
    return Completed(name=STATES[advice.action], message="; ".join(advice.reasons), data=content)


def take_advice(workspace: Workspace) -> tuple[Signals, Advice]:
    """Return what the check found and what it asks for; store both in the shop's folder."""
    params, shop = workspace.params, workspace.shop
    serves = workspace.registry().serving() is not None
    signals = read_signals(workspace.root, shop, params, serves)
    waiting = unlearning.find_champion_waiting(workspace.registry(), datetime.now(UTC))
    if waiting is not None and waiting.is_overdue:
        signals = replace(signals, overdue=[waiting.describe()])
    advice = advise(signals, status.last_advice(shop), params.monitor, params.refresh.min_users)
    status.store_last(shop, None, workspace.root / DRIFT)
    write_record(shop / status.ADVICE, advice)
    return signals, advice
