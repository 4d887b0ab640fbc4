"""The refresh flow: the champion's recipe on the newest data: fit -> compare with the champion -> ship."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from prefect import flow

from components.errors import BusyError, ContractError
from components.release import outcomes
from components.release.bundle import Bundle, open_bundle
from components.stages.resolve import apply_recipe
from components.times import to_datetime
from flows import tasks
from flows.applications import run_applications
from flows.events import emit_shop_event
from flows.outcome import Pass, build_outcome
from flows.passes import (
    cancel_when_busy,
    completed_state,
    deployed_run_info,
    run_pass,
    run_stages,
    seconds_since,
)
from flows.scoring import record_outcomes
from flows.tasks import call_task, in_flow_run, with_retries
from flows.workspace import Workspace, locked_workspace

Mode = Literal["enabled", "dry_run", "disabled"]
KEPT_EVENT = "carousel.refresh.kept"  # event: the refreshed model did not ship


@flow(name="refresh", flow_run_name="refresh")
def refresh(
    as_of: datetime | None = None,
    gate_mode: Mode | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
) -> Any:
    """Fit the champion's recipe on the newest data; ship it unless it is worse. Return the Outcome as a dict.

    Args:
        as_of: Use data up to this time; empty: as data.as_of says, which is now unless an overlay names a time.
        gate_mode: gate.mode; dry_run decides without shipping; empty: as in params.yaml.
        overrides: Further values, such as refresh.max_holdout_days=3.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    started = time.time()
    lines = [*(overrides or []), *([f"gate.mode={json.dumps(gate_mode)}"] if gate_mode else [])]
    try:
        with locked_workspace(
            overlays or [], lines, as_of, "a refresh", *deployed_run_info(), untuned=True, resume=True
        ) as workspace:
            call_task(with_retries(tasks.check_ready, workspace), workspace)
            done = refresh_champion(workspace)
            if done.stages:
                done = done.followed_by(*run_applications(workspace))
            return completed_state(build_outcome(workspace, seconds_since(started, workspace), done))
    except BusyError as busy:
        return cancel_when_busy(busy)


def refresh_champion(workspace: Workspace) -> Pass:
    """Run the stages with the champion's recipe, judge and ship, in a workspace that the caller has locked.

    Raises ContractError where nothing serves, or the champion has no recipe.
    """
    bundle = open_champion(workspace)
    workspace = replace(workspace, champion=bundle, params=apply_recipe(bundle, workspace.params))
    reason = find_nothing_newer(bundle, workspace.params.data.as_of)
    if reason:
        return Pass(reason=reason, notes=score_pending(workspace))
    done = run_pass(workspace)
    if in_flow_run() and done.decision is not None and done.decision.verdict == "keep":
        emit_shop_event(workspace, KEPT_EVENT, done.decision.as_of, done.decision.reasons)
    return done


def score_pending(workspace: Workspace) -> list[str]:
    """Score the days that no run has scored yet; return notes for the run."""
    notes: list[str] = []
    if outcomes.is_day_pending(workspace.shop, workspace.params):
        run_stages(workspace, ("resolve", "ingest"), lambda: notes.extend(record_outcomes(workspace)))
    return notes


def open_champion(workspace: Workspace) -> Bundle:
    """Return the champion's bundle in champion/, fetched and verified; raises ContractError where nothing serves."""
    ref = call_task(with_retries(tasks.fetch_champion, workspace), workspace)
    if ref is None:
        raise ContractError(
            f"nothing serves yet in the shop {workspace.params.release.name}: a refresh needs a champion; "
            "run `carousel retrain --bootstrap` first, or name the shop's overlay with --params"
        )
    return open_bundle(workspace.root / "champion/bundle", ref.digest)


def find_nothing_newer(bundle: Bundle, as_of: datetime) -> str:
    """Return why there is nothing to refresh with, or ""."""
    end = to_datetime(bundle.info.train_end)
    if as_of - end >= timedelta(days=1):
        return ""
    return (
        f"nothing newer to learn: the champion learned from all events before {end:%Y-%m-%d %H:%M}, data.as_of is "
        f"{as_of:%Y-%m-%d %H:%M}, and a holdout is at least one day"
    )
