"""The routes, and `serve`, which `carousel serve` calls."""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from components.errors import ParamsError
from components.params import Params, Serving
from components.serving import answers, problems
from components.serving.champion import Champion, Champions
from components.serving.edge import Edge
from components.serving.meters import Meters
from components.serving.problems import ProblemError
from components.serving.schemas import USUAL_K, Answer, Event, Id, Problem, RecommendRequest, SimilarRequest
from components.settings import Settings

log = logging.getLogger("serving")
MAX_CONNECTIONS = 1000  # sockets; beyond, uvicorn answers 503
SHUTDOWN_S = 10  # for the requests in flight when the service is told to end
ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}} for status in (404, 413, 422, 503)
}
Ids = Annotated[list[Id], Query(max_length=200, default_factory=list)]


def make_app(champions: Champions, serving: Serving, meters: Meters) -> FastAPI:
    """Return the app; its lifespan starts and stops following the champion."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(champions.start)
        yield
        await anyio.to_thread.run_sync(champions.stop)

    app = FastAPI(title="Carousel", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Edge, max_body_bytes=serving.max_body_kib * 1024, timeout_s=serving.timeout_s, meters=meters)
    problems.install(app)
    _add_lists(app, champions, serving, meters)
    _add_probes(app, champions, meters)
    return app


def _add_lists(app: FastAPI, champions: Champions, serving: Serving, meters: Meters) -> None:
    desk = _Desk(champions, serving, meters)

    @app.post("/recommend", responses=ERRORS)
    async def recommend(body: RecommendRequest, request: Request) -> Answer:
        return await desk.answer(request, body.k, lambda c: answers.recommend(c.bundle, body))

    @app.get("/recommend", responses=ERRORS)
    async def recommend_by_items(request: Request, item_id: Ids, k: int = USUAL_K) -> Answer:
        desk.check_k(k)
        body = RecommendRequest(history=[Event(item_id=i) for i in item_id], k=k)
        return await desk.answer(request, k, lambda c: answers.recommend(c.bundle, body))

    @app.post("/similar", responses=ERRORS)
    async def similar(body: SimilarRequest, request: Request) -> Answer:
        return await desk.answer(request, body.k, lambda c: answers.similar(c.bundle, body))

    @app.get("/similar", responses=ERRORS)
    async def similar_to_item(request: Request, item_id: Annotated[Id, Query()], k: int = USUAL_K) -> Answer:
        desk.check_k(k)
        body = SimilarRequest(item_id=item_id, k=k)
        return await desk.answer(request, k, lambda c: answers.similar(c.bundle, body))


def _add_probes(app: FastAPI, champions: Champions, meters: Meters) -> None:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    page = (Path(__file__).parent / "page.html").read_bytes()

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(page, media_type="text/html")

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", responses={503: ERRORS[503]})
    async def readyz() -> dict[str, str | int]:
        now = _serving(champions)
        return {"status": "ready", "version": now.version, "model": now.bundle.info.model, "digest": now.bundle.digest}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)


class _Desk:
    """Lets a few threads score, a few requests wait, and sends the rest away at once."""

    def __init__(self, champions: Champions, serving: Serving, meters: Meters) -> None:
        self.champions, self.serving, self.meters = champions, serving, meters
        self.limiter = anyio.CapacityLimiter(serving.threads)
        self.running = 0

    async def answer(self, request: Request, k: int, find: Callable[[Champion], answers.Found]) -> Answer:
        """Return the list; raises ProblemError for a k out of bounds, an unknown product, no champion, or overload."""
        self.check_k(k)
        champion = _serving(self.champions)
        if self.running >= self.serving.threads + self.serving.max_waiting:
            raise ProblemError(503, "too many requests at once; try again in a second", {"Retry-After": "1"})
        self.running += 1
        self.meters.running.set(self.running)
        try:
            items, model, reason = await anyio.to_thread.run_sync(find, champion, limiter=self.limiter)
        except answers.UnknownItemError:
            raise ProblemError(404, "the champion does not know this product") from None
        finally:
            self.running -= 1
            self.meters.running.set(self.running)
        if reason:
            self.meters.fallbacks.labels(reason).inc()
        request_id = request.state.request_id
        return Answer(request_id=request_id, version=champion.version, model=model, reason=reason, items=items)

    def check_k(self, k: int) -> None:
        if not 1 <= k <= self.serving.max_k:
            raise ProblemError(422, f"k is a list length from 1 to {self.serving.max_k}")


def _serving(champions: Champions) -> Champion:
    """Return the champion; raises ProblemError where there is none yet."""
    champion = champions.current
    if champion is None:
        raise ProblemError(
            503, "no champion serves yet; `carousel retrain --bootstrap` makes one", {"Retry-After": "5"}
        )
    return champion


def serve(settings: Settings, params: Params) -> None:
    """Serve until SIGTERM or SIGINT. settings: resolved. Raises ParamsError when the address cannot be had."""
    import uvicorn
    from threadpoolctl import threadpool_limits

    from components.release.registry import Registry
    from components.serving.protocol import BoundedProtocol

    serving, meters = params.serving, Meters()
    registry = Registry(settings, params.release)
    champions = Champions(registry, settings.shop(registry.name) / "serving", serving.poll_s, meters)
    config = uvicorn.Config(
        make_app(champions, serving, meters),
        http=BoundedProtocol,
        ws="none",
        access_log=False,  # its lines would hold what users looked at
        log_config=None,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with _listening(serving.host, serving.port) as listener, threadpool_limits(1):
        log.info("serving on http://%s:%d", serving.host, listener.getsockname()[1])
        uvicorn.Server(config).run([listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ParamsError(
            f"cannot listen on {host}:{port} ({error.strerror}); set serving.host or serving.port, such as "
            "--set serving.port=8001"
        ) from None
