"""The app, and `serve`, which `carousel serve` calls."""

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI
from starlette.responses import Response

from components.errors import ParamsError
from components.params import Params
from components.serving.http import problems
from components.serving.http.admin import Admin, add_admin
from components.serving.http.listener import Listener, choose_loop, loop_backlog, open_listener
from components.serving.http.middleware import RequestGuard
from components.serving.http.page import add_page
from components.serving.http.routes import (
    ERRORS,
    add_events,
    add_explain,
    add_lists,
    add_rank,
    add_similar,
    add_users,
)
from components.serving.http.status import StatusReader
from components.serving.inference.service import RecommendationService
from components.serving.metrics import ServiceMetrics
from components.serving.models.router import TrafficRouter
from components.serving.models.watcher import ModelWatcher, freeze_gc
from components.serving.storage.exposures import ExposureLog
from components.serving.storage.import_snapshot import import_snapshot
from components.serving.storage.open_event_store import open_event_store
from components.settings import Settings

log = logging.getLogger("serving")
MAX_CONNECTIONS = 1000  # sockets of a process; beyond, uvicorn answers 503
SHUTDOWN_S = 10  # for the requests in flight when the service is told to end


def make_app(service: RecommendationService, admin: Admin, loop: Callable[[], dict[str, Any]]) -> FastAPI:
    """Return the app; its lifespan starts and stops the desk. loop: tells the state of the loop."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(service.start)
        yield
        await anyio.to_thread.run_sync(service.stop)

    serving = service.serving
    app = FastAPI(title="Carousel", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        RequestGuard,
        max_body_bytes=serving.max_body_kib * 1024,
        timeout_s=serving.timeout_s,
        hosts=serving.allowed_hosts,
        metrics=service.metrics,
    )
    problems.install(app)
    add_events(app, service)
    add_lists(app, service)
    add_similar(app, service)
    add_explain(app, service)
    add_rank(app, service)
    add_users(app, service)
    add_admin(app, admin)
    _add_probes(app, service)
    if serving.page:
        add_page(app, service, loop)
    return app


def make_service(watcher: ModelWatcher, params: Params, state_url: str | None = None) -> RecommendationService:
    """Return a desk. Beside the champions' bundles are the state and what was shown; all of it outlives the process.

    state_url: of the database that holds the state instead.
    """
    folder, metrics = watcher.folder, watcher.metrics
    rival = ModelWatcher(watcher.source, folder / "challenger", watcher.poll_s, metrics, "challenger")
    state = open_event_store(state_url, folder, params.release.name, params.serving.store_connections)
    knobs = params.serving.exposures
    exposures = ExposureLog(folder / "exposures", knobs.rows_per_file, knobs.flush_s, knobs.max_queue_rows, metrics)
    return RecommendationService(
        watcher, TrafficRouter(rival, params.serving.challenger, metrics), state, exposures, params, metrics
    )


def from_settings(settings: Settings, params: Params) -> FastAPI:
    """Return the app of one process. settings: resolved."""
    from threadpoolctl import threadpool_limits

    from components.release.registry import Registry

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    threadpool_limits(1)  # requests run side by side; each stays on its core
    registry = Registry(settings, params.release)
    shop = settings.shop(registry.name)
    watcher = ModelWatcher(registry, shop / "serving", params.serving.poll_s, ServiceMetrics())
    service = make_service(watcher, params, settings.event_store_address)
    token = settings.admin_token.get_secret_value() if settings.admin_token else None
    admin = Admin(service, token, shop / "audit.jsonl")
    watcher.on_swap = service.challenger.watcher.on_swap = freeze_gc
    service.challenger.audit = partial(admin.write, outcome="stopped")
    return make_app(service, admin, StatusReader(settings, params.release).read)


def serve(settings: Settings, params: Params, snapshot: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. settings: resolved; snapshot: whose histories are taken in, where it is there.

    Raises ParamsError when the address cannot be had.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from components.serving.http.protocol import BoundedProtocol

    serving = params.serving
    _prepare_state(settings, params, snapshot)
    loop = choose_loop()
    config = uvicorn.Config(
        partial(from_settings, settings, params),
        factory=True,
        http=BoundedProtocol,
        ws="none",
        access_log=False,  # its lines would hold what users looked at
        log_config=None,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        loop=loop,
        backlog=loop_backlog(loop),
        timeout_graceful_shutdown=SHUTDOWN_S,
        workers=serving.workers,
    )
    with _listening(serving.host, serving.port) as listener:
        log.info("serving on http://%s:%d", serving.host, listener.getsockname()[1])
        if serving.workers == 1:
            uvicorn.Server(config).run([listener])
        else:
            with tempfile.TemporaryDirectory(prefix="carousel-meters-") as folder:
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where the processes add up what they count
                Multiprocess(config, [listener]).run()


def _prepare_state(settings: Settings, params: Params, snapshot: Path | None) -> None:
    """Make the store, fill it, and let go of events that are too old; once, before processes share it."""
    shop = params.release.name
    state = open_event_store(settings.event_store_address, settings.shop(shop) / "serving", shop)
    if snapshot is not None:
        import_snapshot(state, snapshot)
    gone = state.prune(params.serving.event_retention_days)
    state.close()
    if gone:
        log.info("%d events older than serving.event_retention_days were removed", gone)


def _add_probes(app: FastAPI, service: RecommendationService) -> None:
    from prometheus_client import CONTENT_TYPE_LATEST

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", responses={503: ERRORS[503]})
    async def readyz() -> dict[str, str | int]:
        now = service.champion()
        return {"status": "ready", "version": now.version, "model": now.bundle.info.model, "digest": now.bundle.digest}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _listening(host: str, port: int) -> Listener:
    try:
        return open_listener(host, port)
    except OSError as error:
        raise ParamsError(
            f"cannot listen on {host}:{port} ({error.strerror}); set serving.host or serving.port, such as "
            "--set serving.port=8001"
        ) from None
