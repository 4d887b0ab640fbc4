"""Routes for operators, behind a bearer token; each call is logged in audit.jsonl, refused ones too."""

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import Field

from components import ids
from components.errors import ContractError
from components.serving.field_types import Id
from components.serving.http.access import has_token
from components.serving.http.attempts import AttemptLimiter
from components.serving.http.audit import AuditLog
from components.serving.http.problems import ERRORS, ProblemError, Responses
from components.serving.inference.service import RecommendationService
from components.serving.schemas import Body, ForgetRequest, Reply
from components.times import now_micros

ADMIN_ERRORS: Responses = {**ERRORS, 429: ERRORS[422]}


class VersionAnswer(Reply):
    """The version that this process serves now."""

    version: int


class CanaryAnswer(Reply):
    """The share of users that the challenger serves now."""

    share: float


class StockAnswer(Reply):
    """The number of products whose quantity was set."""

    products: int


class ForgetAnswer(Reply):
    """The number of events that were deleted."""

    events: int


class CanaryRequest(Body):
    """The new share of users served by the challenger."""

    share: Annotated[float, Field(ge=0, le=1)]


class StockRequest(Body):
    """Quantities in stock, by item_id."""

    quantities: Annotated[dict[Id, Annotated[float, Field(ge=0, le=1e12)]], Field(min_length=1, max_length=5000)]


class Admin:
    """Checks the token, slows wrong ones, and writes the audit log."""

    def __init__(self, service: RecommendationService, token: str | None, audit: Path) -> None:
        """token: None refuses every call. audit: the log file, shared with other processes."""
        self.service, self.token = service, token
        self.audit = AuditLog(audit)
        self.attempts = AttemptLimiter()

    async def authorize(self, request: Request) -> None:
        """Raise ProblemError if the token is missing or wrong; log every call, and wait before surplus ones."""
        client, path = request.client.host if request.client else "", request.url.path
        is_slowed = self.attempts.is_slowed(client)
        if not await self.attempts.admit(client):
            self.audit.write_slowed(path, request.state.request_id)
            raise ProblemError(429, "too many wrong tokens; try again in a second", {"Retry-After": "1"})
        sent = request.headers.get("authorization", "").encode("latin-1")
        if self.token is not None and has_token(sent, self.token):
            self.attempts.succeed(client)
            self.audit.write(path, "allowed", request.state.request_id)
            return
        self.attempts.fail(client)
        write = self.audit.write_slowed if is_slowed else partial(self.audit.write, outcome="refused")
        write(path, request_id=request.state.request_id)
        raise ProblemError(
            401, "admin routes need CAROUSEL_ADMIN_TOKEN as a bearer token", {"WWW-Authenticate": "Bearer"}
        )


def add_admin(app: FastAPI, admin: Admin) -> None:
    """Add the routes."""
    service, may = admin.service, [Depends(admin.authorize)]

    @app.post("/admin/reload", dependencies=may, tags=["Administration"], responses=ADMIN_ERRORS)
    async def reload() -> VersionAnswer:
        """Look up the champion's alias now, in this process."""
        await service.workers.run_in_worker(service.watcher.poll)
        return VersionAnswer(version=service.champion().version)

    @app.post("/admin/revert", dependencies=may, tags=["Administration"], responses={**ADMIN_ERRORS, 409: ERRORS[422]})
    @app.post("/admin/back", dependencies=may, include_in_schema=False)  # its name in version 0.1
    async def revert() -> VersionAnswer:
        """Serve the previous version again in this process, at once; `carousel rollback` is for all processes."""
        try:
            return VersionAnswer(version=service.watcher.revert().version)
        except ContractError as error:
            raise ProblemError(409, str(error)) from None

    @app.post("/admin/canary", dependencies=may, tags=["Administration"], responses=ADMIN_ERRORS)
    async def canary(body: CanaryRequest) -> CanaryAnswer:
        """Set the challenger's share of users, in all processes of the machine within a second; 0 ends the canary."""
        service.router.set_canary_share(body.share)
        return CanaryAnswer(share=body.share)

    @app.post("/admin/stock", dependencies=may, tags=["Administration"], responses=ADMIN_ERRORS)
    async def stock(body: StockRequest) -> StockAnswer:
        """Set the quantities in stock."""
        await service.workers.run_in_worker(lambda: service.store.set_stock(body.quantities, now_micros()))
        return StockAnswer(products=len(body.quantities))

    @app.post("/admin/forget", dependencies=may, tags=["Administration"], responses=ADMIN_ERRORS)
    async def forget(body: ForgetRequest) -> ForgetAnswer:
        """Delete all events of a user, and the lists that were shown; return how many events there were."""
        users = {body.user_id, ids.clean(body.user_id)}
        n_events = await service.workers.run_in_worker(lambda: sum(service.delete_user(u) for u in users))
        return ForgetAnswer(events=n_events)
