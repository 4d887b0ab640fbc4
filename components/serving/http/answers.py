"""Builds the body described by schemas.Answer, and logs the exposure of each list."""

from __future__ import annotations

import json
from functools import lru_cache

from fastapi import Request
from starlette.responses import Response

from components.serving.inference.recommendations import RenderedList
from components.serving.inference.service import RecommendationService
from components.serving.models.router import Variant
from components.serving.storage.exposures import Exposure
from components.times import now_micros


def build_answer(request_id: str, variant: Variant, rendered: RenderedList) -> Response:
    """Return the response; its fields and their order are those of schemas.Answer.

    The items are JSON already, and the other fields except request_id are cached: about 2 us, pydantic would take 20.
    request_id: has no characters that JSON must escape (middleware.REQUEST_ID).
    """
    about = _render_about(variant.served.version, variant.experiment, variant.arm, rendered.model, rendered.reason)
    body = b'{"request_id":"%s",%s,"items":%s}' % (request_id.encode(), about, rendered.items.json)
    return Response(body, media_type="application/json")


def log_and_respond(
    service: RecommendationService,
    request: Request,
    listed: tuple[Variant, RenderedList],
    user_id: str | None,
    session_id: str | None = None,
) -> Response:
    """Return the answer, count a fallback, and log the exposure of the products to the user; HEAD shows none."""
    variant, rendered = listed
    if rendered.reason:
        service.metrics.record_fallback(rendered.reason)
    request_id, route = request.state.request_id, request.scope["path"]
    if not request.state.is_head:
        service.exposures.add(
            Exposure(
                user_id, rendered.items.item_ids, now_micros(), session_id, request_id, route,
                variant.served.version, variant.experiment, variant.arm, rendered.items.rules,
            )
        )  # fmt: skip
    return build_answer(request_id, variant, rendered)


@lru_cache(maxsize=1000)
def _render_about(version: int, experiment: str | None, arm: str | None, model: str, reason: str | None) -> bytes:
    fields = {"version": version, "experiment": experiment, "arm": arm, "model": model, "reason": reason}
    return json.dumps(fields, separators=(",", ":")).encode()[1:-1]
