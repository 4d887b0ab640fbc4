"""The routes that a shop's pages call: events in, lists and what is known of users and products out."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from components.contracts import IntArray
from components.serving.http.problems import ProblemError
from components.serving.inference import recommendations as answers
from components.serving.inference.recommendations import Out, Recommendation
from components.serving.inference.scorer import NO_HISTORY
from components.serving.inference.service import AWAY, RecommendationService, as_listed, unsafe
from components.serving.models.watcher import ServedModel
from components.serving.schemas import (
    USUAL_K,
    Accepted,
    Answer,
    ArmAnswer,
    Chances,
    Event,
    EventIn,
    EventsRequest,
    Id,
    Item,
    ItemsRequest,
    Problem,
    ProfileAnswer,
    RankAnswer,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
    UserRequest,
)
from components.serving.storage.event_store import StoredEvent, StoreError
from components.times import HOUR_US, now_micros, to_datetime, to_micros

AHEAD_US = HOUR_US  # an event may be so far ahead of the service's clock, and no more
Responses = dict[int | str, dict[str, Any]]
ERRORS: Responses = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (403, 404, 408, 413, 422, 503)
}
Find = Callable[[ServedModel, SimilarRequest, Out], Recommendation]
LIST: Responses = {200: {"model": Answer}, **ERRORS}
Ids = Annotated[list[Id], Query(max_length=200, default_factory=list)]


def add_events(app: FastAPI, service: RecommendationService) -> None:
    """Add where events come in."""

    @app.post("/events", responses=ERRORS)
    async def events(body: EventsRequest, request: Request) -> Accepted:
        """Take events; when this answers, they are on disk, and the user's next list knows them."""
        now = now_micros()
        happened = [_happened(event, now, n) for n, event in enumerate(body.events)]
        try:
            new = await asyncio.wrap_future(service.state.put(happened))
        except Exception as error:
            raise unsafe(error) from None
        for event in body.events:
            service.metrics.events.labels(event.event).inc()
        return Accepted(request_id=request.state.request_id, accepted=len(happened), new=new)


def add_lists(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that answer with a list for a user, of themselves or for a query."""

    @app.post("/recommend", responses=LIST, response_class=Response)
    async def recommend(body: RecommendRequest, request: Request) -> Response:
        """Return products for a user, or for a history."""
        return await service.recommend(request, body)

    @app.get("/recommend", responses=LIST, response_class=Response)
    async def recommend_by_items(
        request: Request, item_id: Ids, user_id: Annotated[Id | None, Query()] = None, k: int = USUAL_K
    ) -> Response:
        """Return products for a user, or for who looked at these items."""
        service.check_k(k)
        return await service.recommend(
            request, RecommendRequest(user_id=user_id, history=[Event(item_id=i) for i in item_id], k=k)
        )

    @app.post("/search", responses=LIST, response_class=Response)
    async def search(body: SearchRequest, request: Request) -> Response:
        """Return products for a query, in the order of who asks."""
        service.check_k(body.k)
        side = service.side(body.user_id)
        bundle = side.champion.bundle
        user, away = None, None
        if body.personal:
            try:
                user = answers.user_of(bundle, await service.rows(body, bundle.info.max_history))
            except StoreError:
                away = AWAY  # the same list for everybody
        out = await service.out(body.filters)

        def work() -> Recommendation | None:
            mask = answers.allowed(side.champion, body.filters, [], out)
            return service.search_service(side.champion).find(body.query, user, body.k, mask)

        found = await service.apart(work)
        if found is None:
            raise ProblemError(404, "the champion was packaged before there was search; run `carousel retrain`")
        return service.shown(request, side, as_listed(found._replace(reason=found.reason or away)), body.user_id)


def add_similar(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that answer with what goes with a product."""

    @app.post("/similar", responses=LIST, response_class=Response)
    async def similar(body: SimilarRequest, request: Request) -> Response:
        """Return products whose text is like that of one."""
        return await _beside(service, request, body, answers.similar)

    @app.get("/similar", responses=LIST, response_class=Response)
    async def similar_to_item(request: Request, item_id: Annotated[Id, Query()], k: int = USUAL_K) -> Response:
        """Return products whose text is like that of one."""
        service.check_k(k)
        return await _beside(service, request, SimilarRequest(item_id=item_id, k=k), answers.similar)

    @app.post("/bundle", responses=LIST, response_class=Response)
    async def bundle(body: SimilarRequest, request: Request) -> Response:
        """Return products that are bought together with one."""
        return await _beside(service, request, body, answers.bought_together)


def add_explain(app: FastAPI, service: RecommendationService) -> None:
    """Add the route that tells why given products would be listed."""

    @app.post("/explain", responses=LIST, response_class=Response)
    async def explain(body: ItemsRequest, request: Request) -> Response:
        """Return the products' scores for a user, what each part of the model adds, and what they read like."""
        side = service.side(body.user_id)
        bundle = side.champion.bundle
        user = answers.user_of(bundle, await service.rows(body, bundle.info.max_history))

        def work() -> list[Item]:
            order = _known(body, bundle.index)
            if not len(order):
                return []
            items = answers.as_items(bundle, order, bundle.model.score(user, order)[0])
            return answers.explained(bundle, user, order, items)

        answer = Answer(
            request_id=request.state.request_id,
            version=side.champion.version,
            experiment=side.experiment,
            arm=side.arm,
            model=bundle.info.model,
            reason=None if len(user.history.item_idx) else NO_HISTORY,
            items=await service.apart(work),
        )
        return Response(answer.model_dump_json(), media_type="application/json")


def add_rank(app: FastAPI, service: RecommendationService) -> None:
    """Add the route that tells what a user may do with given products."""

    @app.post("/rank", responses=ERRORS)
    async def rank(body: ItemsRequest, request: Request) -> RankAnswer:
        """Return the chances of a click, a cart and a purchase of these products, best first."""
        side = service.side(body.user_id)
        bundle, online_features = side.champion.bundle, side.champion.online_features
        most = bundle.info.max_history
        known = await service.told(partial(service.state.history, body.user_id, most)) if body.user_id else []
        user = answers.user_of(bundle, answers.rows_of(body.history or known))
        now = now_micros()

        def work() -> list[Chances] | None:
            order = _known(body, bundle.index)
            told = online_features.chances(user, online_features.profile(known, now + AHEAD_US), order)
            if told is None:
                return None
            by = np.argsort(-np.nan_to_num(told).sum(axis=1), kind="stable")
            cells = [[None if np.isnan(x) else float(x) for x in told[n]] for n in by]
            rest = [i for i in dict.fromkeys(body.item_ids) if i not in bundle.index]
            names = [bundle.item_ids[order[n]] for n in by]
            found = [
                Chances(item_id=i, click=c[0], cart=c[1], purchase=c[2]) for i, c in zip(names, cells, strict=True)
            ]
            return found + [Chances(item_id=i, click=None, cart=None, purchase=None) for i in rest]

        items = await service.apart(work)
        if items is None:
            raise ProblemError(404, "the champion has no ranker: the shop shows no impressions to learn from")
        return RankAnswer(request_id=request.state.request_id, version=side.champion.version, items=items)


def add_users(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that tell about a user."""

    @app.post("/profile", responses=ERRORS)
    async def profile(body: UserRequest, request: Request) -> ProfileAnswer:
        """Return what the service was told of a user, and the profile that it makes."""
        champion = service.champion()
        rows = await service.told(partial(service.state.history, body.user_id, champion.bundle.info.max_history))
        now = max([now_micros(), *(row.at + 1 for row in rows)])
        told = await service.apart(lambda: champion.online_features.profile(rows, now))
        history = [
            Event.model_validate({"item_id": r.item_id, "event": r.event, "timestamp": to_datetime(r.at)}) for r in rows
        ]
        return ProfileAnswer(request_id=request.state.request_id, user_id=body.user_id, history=history, profile=told)

    @app.post("/experiment", responses=ERRORS)
    async def experiment(body: UserRequest, request: Request) -> ArmAnswer:
        """Return in which arm a user is, and which version answers there."""
        side = service.side(body.user_id)
        return ArmAnswer(
            request_id=request.state.request_id,
            experiment=side.experiment,
            arm=side.arm,
            version=side.champion.version,
        )


async def _beside(service: RecommendationService, request: Request, body: SimilarRequest, find: Find) -> Response:
    service.check_k(body.k)
    side = service.side(None)
    out = await service.out(body.filters)
    found = await service.apart(lambda: find(side.champion, body, out))
    return service.shown(request, side, as_listed(found), None)


def _known(body: ItemsRequest, index: dict[str, int]) -> IntArray:
    """Return (n,) the item_idx of the products that the bundle knows, each once, in the order of the request."""
    return np.array([index[i] for i in dict.fromkeys(body.item_ids) if i in index], np.int32)


def _happened(event: EventIn, now: int, n: int) -> StoredEvent:
    at = now + n if event.timestamp is None else to_micros(event.timestamp)
    if at > now + AHEAD_US:
        raise ProblemError(
            422, f"events.{n}.timestamp is in the future by the service's clock; expected the past (UTC)"
        )
    return StoredEvent(
        event.user_id, at, event.item_id, event.event,
        event.quantity, event.price, event.session_id, event.position, event.request_id,
    )  # fmt: skip
