"""Prefect events about a shop: automations and the triggers of prefect.yaml listen to them."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.events import emit_event

from flows.workspace import Workspace


def emit_shop_event(workspace: Workspace, event: str, as_of: str, reasons: Sequence[str]) -> None:
    """Emit the event about the shop of the workspace, with the reasons; as_of: ISO, of the data it is about."""
    name = workspace.params.release.name
    emit_event(
        event=event,
        resource={"prefect.resource.id": f"carousel.shop.{name}", "prefect.resource.name": name},
        payload={"as_of": as_of, "reasons": list(reasons)},
    )
