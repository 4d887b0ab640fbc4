"""The page at `/`, and the routes that only it calls; `serving.page: false` removes all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from components.serving.field_types import Id
from components.serving.http.problems import ERRORS, check_list_length
from components.serving.inference.histories import build_user, to_rows
from components.serving.inference.recommendations import recommend
from components.serving.inference.scorer import score_users
from components.serving.inference.service import RecommendationService
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Body, Item, ListLength, RecommendRequest
from components.serving.storage.event_store import StoredEvent
from components.times import now_micros, to_datetime

FOLDER = Path(__file__).parent
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
MAX_HISTORY = 50  # events that the page shows
MAX_USERS = 20  # ids that the page suggests


class CompareRequest(Body):
    """A user, and the length of the lists."""

    user_id: Id
    k: ListLength = 10


class ModelList(BaseModel):
    """The list of one model."""

    version: int
    model: str
    reason: str | None
    items: list[Item]


class PastEvent(BaseModel):
    """One event of the history, with the product's title."""

    item_id: str
    title: str
    event: str
    time: datetime


class ModelComparison(BaseModel):
    """A user's history, and the lists of both models."""

    history: Annotated[list[PastEvent], Field(description="newest first")]
    champion: ModelList
    challenger: ModelList | None  # None: there is none, or it is still loading


def add_page(app: FastAPI, service: RecommendationService, status: Callable[[], dict[str, Any]]) -> None:
    """Add the page and its own routes; none of them logs an exposure."""
    files = {name: (FOLDER / name).read_bytes() for name in ("page.html", "page.js")}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(files["page.html"], media_type="text/html", headers=SECURITY_HEADERS)

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return Response(files["page.js"], media_type="text/javascript", headers=SECURITY_HEADERS)

    @app.get("/page/users", tags=["Page"], responses=ERRORS)
    async def users(prefix: Annotated[str, Query(max_length=256)] = "") -> list[str]:
        """Return some user ids with this prefix."""
        return await service.workers.run_in_worker(lambda: service.store.find_users(prefix, MAX_USERS))

    @app.post("/page/compare", tags=["Page"], responses=ERRORS)
    async def compare(body: CompareRequest) -> ModelComparison:
        """Return a user's history, and the lists of champion and challenger with explanations."""
        check_list_length(body.k, service.params.max_k)
        champion = service.champion()
        service.router.follow()
        challenger = service.router.watcher.current
        return await service.workers.run_in_worker(lambda: compare_models(service, champion, challenger, body))

    @app.get("/status", name="status", tags=["State"], responses=ERRORS)
    async def show_status() -> dict[str, Any]:
        """Return the serving version, the canary, deployments, what came true, the last decision, and drift."""
        found = dict(await service.workers.run_in_worker(status))
        canary = service.router.canary
        stop = canary.stopped()
        found["serving"] = service.champion().version
        found["canary"] = {"share": canary.share, "stopped": stop.model_dump() if stop else None}
        return found

    @app.get("/loop", include_in_schema=False)  # its name in version 0.1
    async def redirect_to_status() -> Response:
        return RedirectResponse("/status", 308)


def compare_models(
    service: RecommendationService, champion: ServedModel, challenger: ServedModel | None, body: CompareRequest
) -> ModelComparison:
    """Return both models' recommendations for a user, from the same stored history."""
    bundle = champion.bundle
    models = [champion] if challenger is None or challenger.bundle.digest == bundle.digest else [champion, challenger]
    n_newest = max(MAX_HISTORY, *(model.bundle.info.max_history for model in models))
    events = service.store.history(body.user_id, n_newest, now_micros())
    history = [
        PastEvent(
            item_id=e.item_id,
            title=bundle.titles[bundle.index.get(e.item_id, 0)],
            event=e.event,
            time=to_datetime(e.at),
        )
        for e in reversed(events[-MAX_HISTORY:])
    ]
    lists = [_list_of(model, events[-model.bundle.info.max_history :], body) for model in models]
    return ModelComparison(history=history, champion=lists[0], challenger=lists[1] if len(lists) > 1 else None)


def _list_of(served: ServedModel, events: Sequence[StoredEvent], body: CompareRequest) -> ModelList:
    request = RecommendRequest(user_id=body.user_id, k=body.k, explain=True)
    user = build_user(served.bundle, to_rows(events))
    found = recommend(served.bundle, user, score_users(served.bundle, [user], body.k)[0], request, None)
    return ModelList(version=served.version, model=found.model, reason=found.reason, items=found.items)
