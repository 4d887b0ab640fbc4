"""Flows for promotion and rollback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from components.release import promotion
from flows.workspace import open_workspace

Version = Annotated[int, Field(ge=1)]


@flow(name="promote", flow_run_name="promote")
def promote(
    decision: str | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None
) -> dict[str, Any]:
    """Move the champion alias according to a decision file; refuse a stale one. Return the Deployment as a dict.

    Args:
        decision: Decision file; empty: the newest one of this machine and shop.
        overrides: Further values, such as release.name="my-shop".
        overlays: Overlay files: those of the shop.
    """
    workspace = open_workspace(overlays or [], overrides or [], None)
    file = Path(decision) if decision else workspace.shop / "decision.json"
    return promotion.promote(file, workspace.registry(), workspace.settings).model_dump(mode="json")


@flow(name="rollback", flow_run_name="rollback")
def rollback(
    to: Version | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None
) -> dict[str, Any]:
    """Move the champion alias back to the version that served before. Return the Deployment as a dict.

    Args:
        to: Version to go back to, one that has served; empty: the one that served before.
        overrides: Further values, such as release.name="my-shop".
        overlays: Overlay files: those of the shop.
    """
    workspace = open_workspace(overlays or [], overrides or [], None)
    return promotion.rollback(workspace.registry(), workspace.settings, to).model_dump(mode="json")
