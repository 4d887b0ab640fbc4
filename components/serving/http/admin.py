"""Routes for operators, behind a bearer token; each call is logged in audit.jsonl, refused ones too."""

import hmac
import json
import logging
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from components import ids
from components.errors import ContractError
from components.serving.field_types import Id
from components.serving.http.problems import ERRORS, ProblemError, Responses
from components.serving.inference.service import RecommendationService
from components.serving.schemas import Body, ForgetRequest
from components.times import now_micros

log = logging.getLogger("serving")
PROBLEMS: Responses = {**ERRORS, 409: ERRORS[422]}


class CanaryRequest(Body):
    """The new share of users served by the challenger."""

    share: Annotated[float, Field(ge=0, le=1)]


class StockRequest(Body):
    """Quantities in stock, by item_id."""

    quantities: Annotated[dict[Id, Annotated[float, Field(ge=0, le=1e12)]], Field(min_length=1, max_length=5000)]


class Admin:
    """Checks the token, and writes the audit log."""

    def __init__(self, service: RecommendationService, token: str | None, audit: Path) -> None:
        """token: None refuses every call. audit: the log file, shared with other processes."""
        self.service, self.token, self.audit = service, token, audit

    def authorize(self, request: Request) -> None:
        """Raise ProblemError if the token is missing or wrong; log every call."""
        sent = request.headers.get("authorization", "")
        is_allowed = self.token is not None and hmac.compare_digest(sent.encode(), f"Bearer {self.token}".encode())
        self.write(request.url.path, "allowed" if is_allowed else "refused", request.state.request_id)
        if not is_allowed:
            raise ProblemError(
                401, "admin routes need CAROUSEL_ADMIN_TOKEN as a bearer token", {"WWW-Authenticate": "Bearer"}
            )

    def write(self, what: str, outcome: str, request_id: str = "") -> None:
        """Append a line: time, route or change, outcome. No user, no token."""
        line = {"time": round(time.time(), 3), "what": what, "outcome": outcome, "request_id": request_id}
        log.warning("admin: %s %s", what, outcome)
        self.audit.parent.mkdir(parents=True, exist_ok=True)
        with self.audit.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def add_admin(app: FastAPI, admin: Admin) -> None:
    """Add the routes."""
    service = admin.service

    @app.post("/admin/reload", responses=PROBLEMS)
    async def reload(request: Request) -> dict[str, Any]:
        """Look up the champion's alias now, in this process."""
        admin.authorize(request)
        await service.workers.run_in_worker(service.watcher.poll)
        return {"version": service.champion().version}

    @app.post("/admin/revert", responses=PROBLEMS)
    @app.post("/admin/back", include_in_schema=False)  # its name in version 0.1
    async def revert(request: Request) -> dict[str, Any]:
        """Serve the previous version again in this process, at once; `carousel rollback` is for all processes."""
        admin.authorize(request)
        try:
            return {"version": service.watcher.revert().version}
        except ContractError as error:
            raise ProblemError(409, str(error)) from None

    @app.post("/admin/canary", responses=PROBLEMS)
    async def canary(body: CanaryRequest, request: Request) -> dict[str, Any]:
        """Set the challenger's share of users, in all processes of the machine within a second; 0 ends the canary."""
        admin.authorize(request)
        service.router.set_canary_share(body.share)
        return {"share": body.share}

    @app.post("/admin/stock", responses=PROBLEMS)
    async def stock(body: StockRequest, request: Request) -> dict[str, Any]:
        """Set the quantities in stock."""
        admin.authorize(request)
        await service.workers.run_in_worker(lambda: service.store.set_stock(body.quantities, now_micros()))
        return {"products": len(body.quantities)}

    @app.post("/admin/forget", responses=PROBLEMS)
    async def forget(body: ForgetRequest, request: Request) -> dict[str, Any]:
        """Delete all events of a user, and the lists that were shown; return how many events there were."""
        admin.authorize(request)
        users = {body.user_id, ids.clean(body.user_id)}
        return {"events": await service.workers.run_in_worker(lambda: sum(service.delete_user(u) for u in users))}
