"""The routes that only the page calls; `serving.page: false` removes them. None of them logs an exposure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
from fastapi import FastAPI, Query
from pydantic import BaseModel, Field, model_validator
from starlette.responses import FileResponse, RedirectResponse, Response

from components.applications.ads.published import NOT_PUBLISHED, PublishedAds
from components.contracts import LEVEL, Catalogue
from components.serving.field_types import Id, OptionalId
from components.serving.http.page_files import add_page_files
from components.serving.http.problems import ERRORS, ERRORS_404, ProblemError, check_list_length
from components.serving.http.recent_runs import RunReader
from components.serving.http.traffic import RecentTraffic, TrafficSampler
from components.serving.inference.campaign_status import AdsStatus, read_campaigns
from components.serving.inference.comparison import ModelComparison, Product, compare_models, describe_products
from components.serving.inference.service import RecommendationService
from components.serving.models.published import PublishedApplication
from components.serving.quota import Quota, check_quotas
from components.serving.schemas import Body, Item, ListLength, RecommendRequest, SearchRequest
from components.serving.storage.ad_ledger import AdLedger
from components.serving.storage.event_store import UserActivity
from components.serving.storage.user_sample import sample_users
from components.times import now_micros, to_datetime

MAX_USERS = 20  # ids that the page suggests
SAMPLED_USERS = 6  # of each kind
MAX_CATEGORIES = 1000
# the pages contain their own scripts; sandboxed without allow-same-origin, these cannot read the service's answers
REPORT_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class CompareRequest(Body):
    """A user, the length of the lists, and how many items of a kind they hold."""

    user_id: Id
    k: ListLength = 10
    quotas: list[Quota] = Field(default_factory=list, max_length=10)

    @model_validator(mode="after")
    def quotas_fit(self) -> Self:
        """Refuse two quotas of one kind, and more items than the lists have."""
        check_quotas(self.quotas, self.k)
        return self


class DescribeRequest(Body):
    """Some products."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]


class SampledUser(BaseModel):
    """A user to look at."""

    user_id: str
    n_recent: int
    first: datetime
    last: datetime


class UserSamples(BaseModel):
    """Some users of each kind; a user may be of several."""

    active: list[SampledUser]
    new: list[SampledUser]
    returning: list[SampledUser]
    random: list[SampledUser]


class ProductSearch(BaseModel):
    """Products for a query."""

    items: list[Item]
    products: dict[str, Product]
    reason: str | None


def add_page(
    app: FastAPI,
    service: RecommendationService,
    status: Callable[[], dict[str, Any]],
    traffic: TrafficSampler,
    runs: RunReader | None = None,
) -> None:
    """Add the page and its own routes. runs: None: there are no reports."""
    add_page_files(app)
    add_status(app, service, status)
    add_users(app, service)
    add_products(app, service)
    add_campaigns(app, service)
    add_reports(app, service, runs)

    @app.get("/page/traffic", tags=["Page"], responses=ERRORS)
    async def show_traffic() -> RecentTraffic:
        """Return requests, latency, fallbacks and errors of the last hour, of all processes."""
        return await service.workers.run_in_worker(traffic.read)


def add_status(app: FastAPI, service: RecommendationService, status: Callable[[], dict[str, Any]]) -> None:
    """Add the route of the release state."""

    @app.get("/status", name="status", tags=["State"], responses=ERRORS)
    async def show_status() -> dict[str, Any]:
        """Return the serving version, the canary, deployments, what came true, the last decision, and drift."""
        found = dict(await service.workers.run_in_worker(status))
        canary = service.router.canary
        stop = canary.stopped()
        found["serving"] = service.champion().version
        found["canary"] = {"share": canary.share, "stopped": stop.model_dump() if stop else None}
        found["merchandising_rules"] = len(service.merchandising.active.rules)
        return found

    @app.get("/loop", include_in_schema=False)  # its name in version 0.1
    async def redirect_to_status() -> Response:
        return RedirectResponse("/status", 308)


def add_users(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that show users."""

    @app.get("/page/users", tags=["Page"], responses=ERRORS)
    async def users(prefix: Annotated[str, Query(max_length=256)] = "") -> list[str]:
        """Return some user ids with this prefix."""
        return await service.workers.run_in_worker(lambda: service.store.find_users(prefix, MAX_USERS))

    @app.get("/page/samples", tags=["Page"], responses=ERRORS)
    async def samples() -> UserSamples:
        """Return a few users: active, new and returning ones, and some at random; others at each call."""
        found = await service.workers.run_in_worker(lambda: sample_users(service.store, SAMPLED_USERS))
        return UserSamples(**{kind: [_to_sampled(user) for user in users] for kind, users in found._asdict().items()})

    @app.post("/page/compare", tags=["Page"], responses=ERRORS)
    async def compare(body: CompareRequest) -> ModelComparison:
        """Return a user's history, and the lists of champion and challenger with explanations."""
        check_list_length(body.k, service.params.max_k)
        champion = service.contexts.get(service.champion())
        service.router.follow()
        current = service.router.watcher.current
        models = [(service.champion().version, champion)]
        if current is not None and current.bundle.digest != champion.bundle.digest:
            models.append((current.version, service.contexts.get(current)))
        rules = service.merchandising.active
        request = RecommendRequest(user_id=body.user_id, k=body.k, quotas=body.quotas, explain=True)
        work = partial(compare_models, service.store, models, request, service.params.max_k, rules)
        return await service.workers.run_in_worker(work)


def add_products(app: FastAPI, service: RecommendationService) -> None:
    """Add the routes that show the catalogue."""

    @app.get("/page/products", tags=["Page"], responses=ERRORS_404)
    async def products(
        query: Annotated[str, Query(max_length=200)],
        user_id: Annotated[OptionalId, Query()] = None,
        k: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> ProductSearch:
        """Return products for a query with their data; with a user, as /search ranks them for this user."""
        body = SearchRequest(query=query, user_id=user_id, k=k, personal=user_id is not None)
        context = service.contexts.get(service.champion())
        _, found = await service.find_products(body)
        described = describe_products(context.bundle, [item.item_id for item in found.items])
        return ProductSearch(items=found.items, products=described, reason=found.reason)

    @app.post("/page/describe", tags=["Page"], responses=ERRORS)
    async def describe(body: DescribeRequest) -> dict[str, Product]:
        """Return what the catalogue says of products; unknown ones are left out."""
        return describe_products(service.champion().bundle, body.item_ids)

    @app.get("/page/kinds", tags=["Page"], responses=ERRORS)
    async def kinds() -> dict[str, int]:
        """Return how many items of each kind the champion's catalogue has, most first."""
        return count_kinds(service.champion().bundle.catalogue)

    @app.get("/page/categories", tags=["Page"], responses=ERRORS)
    async def categories() -> list[str]:
        """Return the categories of the champion's products, those above them included, in the order of their names."""
        catalogue = service.champion().bundle.catalogue
        return await service.workers.run_in_worker(lambda: list_categories(catalogue.category))


def add_campaigns(app: FastAPI, service: RecommendationService) -> None:
    """Add the route of today's spend on ads."""
    published = PublishedApplication(service.watcher.folder.parent, "ads", PublishedAds.load)
    ledger = AdLedger(service.store)

    def read() -> AdsStatus:
        found = published()
        if found is None:
            raise ProblemError(404, NOT_PUBLISHED)
        return read_campaigns(found, ledger, now_micros())

    @app.get("/page/campaigns", tags=["Page"], responses=ERRORS_404)
    async def campaigns() -> AdsStatus:
        """Return the campaigns of ads with today's spend and plan, by hour (UTC)."""
        return await service.workers.run_in_worker(read)


def add_reports(app: FastAPI, service: RecommendationService, runs: RunReader | None) -> None:
    """Add the route of reports."""

    @app.get("/page/reports/{version}/{name}", include_in_schema=False)
    async def report(version: int, name: str) -> Response:
        file = None if runs is None else await service.workers.run_in_worker(lambda: runs.report(name, version))
        if file is None:
            raise ProblemError(404, "there is no such report: expected evaluate, drift or history of a known version")
        return FileResponse(file, media_type="text/html", headers=REPORT_HEADERS)


def count_kinds(catalogue: Catalogue) -> dict[str, int]:
    """Return kind -> number of items, most first, ties by name."""
    names, codes = catalogue.kind_codes
    counts = np.bincount(codes[1:], minlength=len(names)).tolist()
    found = [(name, n) for name, n in zip(names, counts, strict=True) if n]
    return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def list_categories(values: list[str]) -> list[str]:
    """Return the distinct categories and all above them, at most MAX_CATEGORIES."""
    found: set[str] = set()
    for value in set(values) - {""}:
        levels = value.split(LEVEL)
        found |= {LEVEL.join(levels[: n + 1]) for n in range(len(levels))}
    return sorted(found)[:MAX_CATEGORIES]


def _to_sampled(user: UserActivity) -> SampledUser:
    return SampledUser(
        user_id=user.user_id, n_recent=user.n_recent, first=to_datetime(user.first), last=to_datetime(user.last)
    )
