"""Look at the shop as it is now: drift, freshness and volume against the champion's own time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed

from components.contracts import DriftVerdict
from components.errors import BusyError
from components.release import status
from flows import markdown, retrain
from flows.tasks import recorded
from flows.workspace import DRIFT, Place, working

STAGES = ("resolve", "ingest", "drift")
EVENT = "carousel.drift"  # what starts the retraining; prefect.yaml listens to it


@flow(name="monitor", flow_run_name="monitor")
def monitor(
    as_of: datetime | None = None, overrides: list[str] | None = None, overlays: list[str] | None = None
) -> Any:
    """Take a snapshot and judge drift; emit EVENT where the shop has moved. Return the DriftVerdict as a dict.

    Args:
        as_of: See the shop as of then; empty: now, and the simulated shop as in params.yaml.
        overrides: Further values, such as drift.max_drifted_share=0.2.
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    try:
        with working(overlays or [], overrides or [], as_of, "monitoring", *retrain.deployed_run()) as place:
            retrain.run_stages(place, STAGES)
            verdict = DriftVerdict.model_validate_json((place.root / DRIFT).read_bytes())
            status.keep_last(place.shop, None, place.root / DRIFT)
    except BusyError as busy:
        return retrain.turned_away(busy)
    content = verdict.model_dump(mode="json")
    if not recorded():
        return content
    create_markdown_artifact(markdown.drift(verdict), key="drift", description="Drift against the champion's time")
    if verdict.drifted:
        _emit(place, verdict)
    return Completed(name="Drifted" if verdict.drifted else "Completed", message=markdown.said(verdict), data=content)


def _emit(place: Place, verdict: DriftVerdict) -> None:
    name = place.params.release.name
    as_of = place.params.data.as_of.isoformat()
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"carousel.shop.{name}", "prefect.resource.name": name},
        payload={"as_of": as_of, "reasons": verdict.reasons},
    )
