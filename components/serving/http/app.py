"""The app of one process, and `serve`, which `carousel serve` calls."""

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from components import redact
from components.errors import ParamsError
from components.params import Params
from components.private import protect
from components.serving.http import problems
from components.serving.http.access import ReadAccess
from components.serving.http.admin import Admin, add_admin
from components.serving.http.api_docs import add_api_docs
from components.serving.http.application_routes import add_applications
from components.serving.http.card_routes import add_card
from components.serving.http.listener import Listener, choose_loop, loop_backlog, open_listener
from components.serving.http.merchandising import add_merchandising
from components.serving.http.middleware import RequestGuard
from components.serving.http.openapi import ServiceApp
from components.serving.http.page_routes import add_page
from components.serving.http.recent_runs import RunReader
from components.serving.http.routes import add_routes
from components.serving.http.status import StatusReader
from components.serving.http.supervised import stop_with_parent
from components.serving.http.traffic import TrafficSampler
from components.serving.inference.service import RecommendationService
from components.serving.metrics import ServiceMetrics
from components.serving.models.canary import reset_share
from components.serving.models.router import TrafficRouter
from components.serving.models.watcher import ModelWatcher, freeze_gc
from components.serving.schemas import Alive, Ready
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.exposure_table import add_exposures
from components.serving.storage.exposures import ExposureLog
from components.serving.storage.open_event_store import open_event_store, prepare_event_store
from components.settings import Settings

log = logging.getLogger("serving")
MAX_CONNECTIONS = 1000  # sockets of a process; beyond them, uvicorn answers 503
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST"],
    "allow_headers": ["Authorization", "Content-Type", "Content-Encoding", "Idempotency-Key", "X-Request-ID"],
    "expose_headers": ["X-Request-ID", "Retry-After"],
}
HEALTH_CHECK_S = 30  # in which a worker must answer its supervisor; on a busy machine its imports take more than 5
SHUTDOWN_S = 10  # for the requests in flight when the service is stopped


def make_app(
    service: RecommendationService,
    admin: Admin,
    status: Callable[[], dict[str, Any]],
    read_token: str | None = None,
    runs: RunReader | None = None,
) -> FastAPI:
    """Return the app; its lifespan starts and stops the service.

    status: returns the release state for /status. read_token: needed by all routes but the probes; None: by none.
    runs: reads the reports that the page links to; None: there are none.
    """
    serving, traffic = service.params, TrafficSampler(service.metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(service.start)
        if serving.page:
            traffic.start()
        yield
        traffic.stop()
        await anyio.to_thread.run_sync(service.stop)

    app = ServiceApp(
        title="Carousel", version=version("carousel-mlops"), lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.add_middleware(
        RequestGuard,
        max_body_bytes=serving.max_body_kib * 1024,
        timeout_s=serving.timeout_s,
        hosts=serving.allowed_hosts,
        null_ids=service.null_ids,
        metrics=service.metrics,
        origins=serving.cors_origins,
        access=ReadAccess(read_token, serving.host),
    )
    if serving.cors_origins:  # around the guard, so that pages can read its errors too
        app.add_middleware(CORSMiddleware, allow_origins=serving.cors_origins, **CORS)
    problems.install(app, service.metrics)
    add_routes(app, service)
    add_applications(app, service)
    add_card(app, service)
    add_admin(app, admin)
    add_merchandising(app, admin)
    _add_probes(app, service)
    if serving.page:
        add_page(app, service, status, traffic, runs)
        add_api_docs(app)
    return app


def make_service(
    watcher: ModelWatcher,
    params: Params,
    store_url: str | None = None,
    erasure_secret: str | None = None,
    folder: Path | None = None,
) -> RecommendationService:
    """Return the service.

    store_url: a PostgreSQL database for the events, instead of the file. erasure_secret: see open_event_store.
    folder: of event store and exposures; None: that of the watcher's bundles.
    """
    folder, metrics = folder or watcher.folder, watcher.metrics
    challenger = ModelWatcher(watcher.source, watcher.folder / "challenger", watcher.poll_s, metrics, "challenger")
    connections = params.serving.store_connections
    store = open_event_store(store_url, folder, params.release.name, connections, erasure_secret)
    bounds, shown = params.serving.exposures, folder / "exposures"
    erasures = ErasureLog(store, shown)
    shared = None if store.is_local else partial(add_exposures, store)
    exposures = ExposureLog(
        shown, bounds.rows_per_file, bounds.flush_s, bounds.max_queue_rows, metrics, erasures, shared
    )
    router = TrafficRouter(challenger, params.serving.challenger, metrics)
    return RecommendationService(watcher, router, store, exposures, params, metrics)


def from_settings(settings: Settings, params: Params) -> FastAPI:
    """Return the app of one process. settings: resolved."""
    from threadpoolctl import threadpool_limits

    from components.release.registry import Registry

    redact.install()
    protect(settings.home)
    stop_with_parent(SHUTDOWN_S + 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    threadpool_limits(1)  # requests run in parallel, one core each
    registry = Registry(settings, params.release)
    shop = settings.shop(registry.name)
    watcher = ModelWatcher(registry, settings.bundles(registry.name), params.serving.poll_s, ServiceMetrics())
    service = make_service(watcher, params, settings.event_store_address, settings.erasure_secret, shop / "serving")
    admin = Admin(service, _secret(settings.admin_token), shop / "audit.jsonl")
    watcher.on_swap = service.router.watcher.on_swap = freeze_gc
    service.router.canary.audit = partial(admin.audit.write, outcome="stopped")
    reader = StatusReader(settings, params)
    return make_app(service, admin, reader.read, _secret(settings.read_token), reader.runs)


def serve(settings: Settings, params: Params, snapshot: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. settings: resolved; snapshot: its events are imported, if it exists.

    Raises ParamsError when it cannot listen on the address.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from components.serving.http.protocol import BoundedProtocol

    redact.install()
    protect(settings.home)
    serving = params.serving
    reset_share(settings.bundles(params.release.name) / "challenger")
    prepare_event_store(settings, params, snapshot).close()
    ReadAccess(_secret(settings.read_token), serving.host).warn(serving.page)
    loop = choose_loop()
    config = uvicorn.Config(
        partial(from_settings, settings, params),
        factory=True,
        http=BoundedProtocol,
        ws="none",
        access_log=False,  # its lines would contain users and products
        log_config=None,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        loop=loop,
        backlog=loop_backlog(loop),
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_worker_healthcheck=HEALTH_CHECK_S,
        workers=serving.workers,
    )
    with _listening(serving.host, serving.port) as listener:
        log.info("serving on http://%s:%d", serving.host, listener.getsockname()[1])
        if serving.workers == 1:
            uvicorn.Server(config).run([listener])
        else:
            with tempfile.TemporaryDirectory(prefix="carousel-metrics-") as folder:
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where the processes share their metrics
                Multiprocess(config, [listener]).run()


def _secret(token: SecretStr | None) -> str | None:
    return token.get_secret_value() or None if token else None


def _add_probes(app: FastAPI, service: RecommendationService) -> None:
    from prometheus_client import CONTENT_TYPE_LATEST

    @app.get("/livez", tags=["State"])
    async def livez() -> Alive:
        """Return 200 while the process runs."""
        return Alive(status="alive")

    @app.get("/readyz", tags=["State"], responses=problems.PROBLEM_MODEL)
    async def readyz() -> Ready:
        """Return the version that serves; 503 while there is none."""
        now = service.champion()
        return Ready(status="ready", version=now.version, model=now.bundle.info.model, digest=now.bundle.digest)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _listening(host: str, port: int) -> Listener:
    try:
        return open_listener(host, port)
    except OSError as error:
        raise ParamsError(
            f"cannot listen on {host}:{port} ({error.strerror}); set serving.host or serving.port, such as "
            "--set serving.port=8001"
        ) from None
