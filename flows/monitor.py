"""Look at the shop as it is now: drift, freshness and volume against the champion's own time."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from components.contracts import DriftVerdict
from components.release import status
from components.release.lock import held
from flows import retrain
from flows.place import DRIFT, Place, open_place

STAGES = ("resolve", "ingest", "drift")
EVENT = "carousel.drift"  # what starts the retraining; prefect.yaml listens to it


@flow(name="monitor", flow_run_name="monitor")
def monitor(
    as_of: retrain.AsOf = None, overrides: retrain.Lines = None, overlays: retrain.Files = None
) -> dict[str, Any]:
    """Take a snapshot and judge drift; emit EVENT where the shop has moved. Return the DriftVerdict as a dict."""
    place = open_place(overlays or [], overrides or [], as_of, *retrain.deployed_run())
    with held(place.settings.home / "retrain.lock", "monitoring"):
        retrain.run_stages(place, STAGES)
        verdict = DriftVerdict.model_validate_json((place.root / DRIFT).read_bytes())
        status.keep_last(place.settings.home, None, place.root / DRIFT)
    create_markdown_artifact(_markdown(verdict), key="drift", description="Drift against the champion's time")
    if verdict.drifted:
        _emit(place, verdict)
    return verdict.model_dump(mode="json")


def _emit(place: Place, verdict: DriftVerdict) -> None:
    name = place.params.release.name
    as_of = place.params.data.as_of.isoformat()
    emit_event(
        event=EVENT,
        resource={"prefect.resource.id": f"carousel.shop.{name}", "prefect.resource.name": name},
        payload={"as_of": as_of, "reasons": verdict.reasons},
    )


def _markdown(verdict: DriftVerdict) -> str:
    word = "drifted" if verdict.drifted else "no drift" if verdict.computable else "not computable"
    reasons = "\n".join(f"- {r}" for r in verdict.reasons)
    rows = "\n".join(
        f"| {c} | {d:.4f} | {verdict.thresholds.get(c, float('nan')):.4f} |" for c, d in verdict.columns.items()
    )
    return f"## {word}\n\n{reasons}\n\n| column | distance | limit |\n|---|---|---|\n{rows}\n"
