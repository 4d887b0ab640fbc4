"""The routes that a shop's pages call: they store events, and return lists, scores and data of users."""

import asyncio
from collections.abc import Collection
from typing import Annotated

from fastapi import FastAPI, Header, Query, Request
from starlette.responses import Response

from components.params import ConsentPurpose
from components.privacy.consent import to_stored
from components.serving.field_types import Id, IdempotencyKey, OptionalId
from components.serving.http.answers import build_answer, log_and_respond
from components.serving.http.problems import (
    ERRORS,
    ERRORS_404,
    ProblemError,
    Responses,
    check_list_length,
    event_not_stored,
)
from components.serving.inference.service import RecommendationService
from components.serving.schemas import (
    DEFAULT_K,
    Accepted,
    Answer,
    ArmAnswer,
    EventIn,
    EventsRequest,
    HistoryEvent,
    ItemsRequest,
    ProfileAnswer,
    RankAnswer,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
    StoredHistoryEvent,
    UserRequest,
)
from components.serving.storage.event_store import CLOCK_SKEW_US, StoredEvent
from components.serving.storage.idempotency import KeyReusedError
from components.times import now_micros, to_datetime, to_micros

LIST: Responses = {200: {"model": Answer}, **ERRORS}
LIST_404: Responses = {200: {"model": Answer}, **ERRORS_404}
Ids = Annotated[list[Id], Query(max_length=200, default_factory=list)]

EventsKey = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="Of this request, such as a UUID; the same when it is repeated, so that its events count once.",
    ),
]


def add_routes(app: FastAPI, service: RecommendationService) -> None:
    """Add all routes of this module."""
    add_events(app, service)
    add_lists(app, service)
    add_similar(app, service)
    add_items(app, service)
    add_users(app, service)


def add_events(app: FastAPI, service: RecommendationService) -> None:
    """Add the route that takes events."""

    @app.post("/events", tags=["Events"], responses=ERRORS)
    async def events(body: EventsRequest, request: Request, idempotency_key: EventsKey = None) -> Accepted:
        """Store events; when this answers, they are on disk, and affect the user's next list.

        A request that is repeated with its Idempotency-Key stores nothing: `new` is 0.
        """
        now = now_micros()
        default = service.default_consent
        stored = [
            to_stored_event(event, now, n, default)
            for n, event in enumerate(body.events)
            if "recommend" in (default if event.consent is None else event.consent)
        ]
        sent = body.model_dump_json(exclude_none=True).encode() if idempotency_key else b""
        try:
            new = await asyncio.wrap_future(service.store.put(stored, idempotency_key, sent))
        except KeyReusedError as error:
            raise ProblemError(422, str(error)) from None
        except Exception as error:  # of any type: the client must learn that the events are not stored
            raise event_not_stored(error) from None
        for event in body.events if new else ():
            service.metrics.events.labels(event.event).inc()
        return Accepted(request_id=request.state.request_id, accepted=len(body.events), new=new)


def add_lists(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that answer with a list for a user or a query."""
    max_k = service.params.max_k

    @app.post("/recommend", tags=["Lists"], responses=LIST, response_class=Response)
    async def recommend(body: RecommendRequest, request: Request) -> Response:
        """Return products for a user, or for a history."""
        check_list_length(body.k, max_k)
        return log_and_respond(service, request, await service.recommend(body), body.user_id, body.context.session_id)

    @app.get("/recommend", tags=["Lists"], responses=LIST, response_class=Response)
    async def recommend_by_items(
        request: Request, item_id: Ids, user_id: Annotated[OptionalId, Query()] = None, k: int = DEFAULT_K
    ) -> Response:
        """Return products for a user, or for views of these products."""
        check_list_length(k, max_k)
        body = RecommendRequest(user_id=user_id, history=[HistoryEvent(item_id=i) for i in item_id], k=k)
        return log_and_respond(service, request, await service.recommend(body), user_id)

    @app.post("/search", tags=["Lists"], responses=LIST_404, response_class=Response)
    async def search(body: SearchRequest, request: Request) -> Response:
        """Return products for a query, ranked for the user."""
        check_list_length(body.k, max_k)
        return log_and_respond(service, request, await service.search(body), body.user_id)


def add_similar(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that answer with products related to one."""
    max_k = service.params.max_k

    @app.post("/similar", tags=["Lists"], responses=LIST_404, response_class=Response)
    async def similar(body: SimilarRequest, request: Request) -> Response:
        """Return products whose text is similar to a given product's."""
        check_list_length(body.k, max_k)
        return log_and_respond(service, request, await service.similar(body), None)

    @app.get("/similar", tags=["Lists"], responses=LIST_404, response_class=Response)
    async def similar_to_item(request: Request, item_id: Annotated[Id, Query()], k: int = DEFAULT_K) -> Response:
        """Return products whose text is similar to a given product's."""
        check_list_length(k, max_k)
        return log_and_respond(service, request, await service.similar(SimilarRequest(item_id=item_id, k=k)), None)

    @app.post("/bundle", tags=["Lists"], responses=LIST_404, response_class=Response)
    async def bundle(body: SimilarRequest, request: Request) -> Response:
        """Return products that are bought together with a given product."""
        check_list_length(body.k, max_k)
        return log_and_respond(service, request, await service.bought_together(body), None)


def add_items(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that score given products for a user."""

    @app.post("/explain", tags=["Scores"], responses=LIST, response_class=Response)
    async def explain(body: ItemsRequest, request: Request) -> Response:
        """Return the products' scores for a user, what each part of the model adds, and the nearest past product."""
        return build_answer(request.state.request_id, *await service.explain(body))

    @app.post("/rank", tags=["Scores"], responses=ERRORS_404)
    async def rank(body: ItemsRequest, request: Request) -> RankAnswer:
        """Return the probabilities of a click, a cart and a purchase of these products, best first."""
        variant, items = await service.rank(body)
        return RankAnswer(request_id=request.state.request_id, version=variant.served.version, items=items)


def add_users(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that return what is stored about a user."""

    @app.post("/profile", tags=["Users"], responses=ERRORS)
    async def profile(body: UserRequest, request: Request) -> ProfileAnswer:
        """Return the stored history of a user, and the profile computed from it."""
        rows, found = await service.profile(body.user_id)
        history = [
            StoredHistoryEvent.model_validate({"item_id": r.item_id, "event": r.event, "timestamp": to_datetime(r.at)})
            for r in rows
        ]
        return ProfileAnswer(request_id=request.state.request_id, user_id=body.user_id, history=history, profile=found)

    @app.post("/experiment", tags=["Users"], responses=ERRORS)
    async def experiment(body: UserRequest, request: Request) -> ArmAnswer:
        """Return the arm of a user, and the version that serves it."""
        variant = service.assign(body.user_id)
        return ArmAnswer(
            request_id=request.state.request_id,
            experiment=variant.experiment,
            arm=variant.arm,
            version=variant.served.version,
        )


def to_stored_event(event: EventIn, now: int, n: int, default: Collection[ConsentPurpose]) -> StoredEvent:
    """Return the event as it is stored; the n-th of a request without a timestamp happened n us after `now`.

    default: purposes of an event that states none. Raises ProblemError for a timestamp in the future.
    """
    at = now + n if event.timestamp is None else to_micros(event.timestamp)
    if at > now + CLOCK_SKEW_US:
        raise ProblemError(
            422, f"events.{n}.timestamp is in the future by the service's clock; expected the past (UTC)"
        )
    return StoredEvent(
        event.user_id, at, event.item_id, event.event,
        event.quantity, event.price, event.session_id, event.position, event.request_id,
        to_stored(default if event.consent is None else event.consent),
    )  # fmt: skip
