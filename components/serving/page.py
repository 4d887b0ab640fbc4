"""What the page at `/` asks beside the shop's routes; `serving.page: false` closes all of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from components.serving import answers
from components.serving.champion import Champion
from components.serving.desk import Desk
from components.serving.routes import ERRORS
from components.serving.schemas import Body, Id, Item, ListLength, RecommendRequest
from components.serving.scoring import best_of

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


def add_page(app: FastAPI, desk: Desk, loop: Callable[[], dict[str, Any]]) -> None:
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
        return await desk.apart(lambda: desk.state.users(prefix, 20))

    @app.post("/page/compare", responses=ERRORS)
    async def compare(body: CompareRequest, request: Request) -> Compared:
        """Return a user's history, and the lists of champion and challenger with their reasons."""
        desk.check_k(body.k)
        champion = desk.champion()
        desk.challenger.look()
        other = desk.challenger.champions.current
        bundle = champion.bundle

        def work() -> Compared:
            past = desk.state.history(body.user_id, SHOWN)
            titles = [bundle.titles[bundle.index[e.item_id]] if e.item_id in bundle.index else "" for e in past]
            seen = [
                Past(item_id=e.item_id, title=title, event=e.event, time=EPOCH + timedelta(microseconds=e.at))
                for e, title in zip(past, titles, strict=True)
            ]
            different = other is not None and other.bundle.digest != bundle.digest
            return Compared(
                history=seen[::-1],
                champion=_listed(desk, champion, body),
                challenger=_listed(desk, other, body) if other is not None and different else None,
            )

        return await desk.apart(work)

    @app.get("/loop", responses=ERRORS)
    async def state_of_the_loop() -> dict[str, Any]:
        """Return who serves, what was deployed, the last verdict with its checks, and drift."""
        told = dict(await desk.apart(loop))
        stopped = desk.challenger.stopped()
        told["serving"] = desk.champion().version
        told["canary"] = {
            "share": desk.challenger.canary_share,
            "stopped": stopped.model_dump() if stopped else None,
        }
        return told


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _listed(desk: Desk, side: Champion, body: CompareRequest) -> Listed:
    bundle = side.bundle
    asked = RecommendRequest(user_id=body.user_id, k=body.k, explain=True)
    user = answers.user_of(bundle, desk.rows(asked, bundle.info.max_history))
    found = answers.recommend(side, user, best_of(bundle, [user], body.k)[0], asked, frozenset())
    return Listed(version=side.version, model=found.model, reason=found.reason, items=found.items)
