"""What the page at `/` asks beside the shop's routes; `serving.page: false` closes all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from components.serving.http.routes import ERRORS
from components.serving.inference import recommendations as answers
from components.serving.inference.scorer import best_of
from components.serving.inference.service import RecommendationService
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Body, Id, Item, ListLength, RecommendRequest
from components.serving.storage.event_store import StoredEvent
from components.times import to_datetime

HERE = Path(__file__).parent
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
SHOWN = 50  # events of a history


class CompareRequest(Body):
    """A user, and how long the lists shall be."""

    user_id: Id
    k: ListLength = 10


class Listed(BaseModel):
    """A list on the page."""

    version: int
    model: str
    reason: str | None
    items: list[Item]


class Past(BaseModel):
    """One event of the history."""

    item_id: str
    title: str
    event: str
    time: datetime


class Compared(BaseModel):
    """One user, seen by both."""

    history: Annotated[list[Past], Field(description="newest first")]
    champion: Listed
    challenger: Listed | None  # None: there is none, or it is being loaded


def add_page(app: FastAPI, service: RecommendationService, loop: Callable[[], dict[str, Any]]) -> None:
    """Add the page and its own routes; none of them leaves a trace in what was shown."""
    files = {name: (HERE / name).read_bytes() for name in ("page.html", "page.js")}

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(files["page.html"], media_type="text/html", headers=SECURITY)

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return Response(files["page.js"], media_type="text/javascript", headers=SECURITY)

    @app.get("/page/users", responses=ERRORS)
    async def users(prefix: Annotated[str, Query(max_length=256)] = "") -> list[str]:
        """Return some ids that begin so."""
        return await service.apart(lambda: service.state.find_users(prefix, 20))

    @app.post("/page/compare", responses=ERRORS)
    async def compare(body: CompareRequest, request: Request) -> Compared:
        """Return a user's history, and the lists of champion and challenger with their reasons."""
        service.check_k(body.k)
        champion = service.champion()
        service.challenger.look()
        other = service.challenger.watcher.current
        return await service.apart(lambda: _compared(service, champion, other, body))

    @app.get("/loop", responses=ERRORS)
    async def state_of_the_loop() -> dict[str, Any]:
        """Return who serves, what was deployed, the last verdict with its checks, and drift."""
        told = dict(await service.apart(loop))
        stopped = service.challenger.stopped()
        told["serving"] = service.champion().version
        told["canary"] = {
            "share": service.challenger.canary_share,
            "stopped": stopped.model_dump() if stopped else None,
        }
        return told


def _compared(
    service: RecommendationService, champion: ServedModel, other: ServedModel | None, body: CompareRequest
) -> Compared:
    bundle = champion.bundle
    sides = [champion] if other is None or other.bundle.digest == bundle.digest else [champion, other]
    most = max(SHOWN, *(side.bundle.info.max_history for side in sides))
    past = service.state.history(body.user_id, most)
    seen = [
        Past(
            item_id=e.item_id,
            title=bundle.titles[bundle.index.get(e.item_id, 0)],
            event=e.event,
            time=to_datetime(e.at),
        )
        for e in reversed(past[-SHOWN:])
    ]
    lists = [_listed(side, past[-side.bundle.info.max_history :], body) for side in sides]
    return Compared(history=seen, champion=lists[0], challenger=lists[1] if len(lists) > 1 else None)


def _listed(side: ServedModel, past: Sequence[StoredEvent], body: CompareRequest) -> Listed:
    asked = RecommendRequest(user_id=body.user_id, k=body.k, explain=True)
    user = answers.user_of(side.bundle, answers.rows_of(past))
    found = answers.recommend(side, user, best_of(side.bundle, [user], body.k)[0], asked, frozenset())
    return Listed(version=side.version, model=found.model, reason=found.reason, items=found.items)
