"""Routes for those who run the service, behind a token; each call leaves a line in audit.jsonl, refused ones too."""

import hmac
import json
import logging
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field

from components.errors import ContractError
from components.serving.http.problems import ProblemError
from components.serving.http.routes import ERRORS, Responses
from components.serving.inference.service import RecommendationService
from components.serving.schemas import Body, KeptId, UserRequest
from components.times import now_micros

log = logging.getLogger("serving")
PROBLEMS: Responses = {**ERRORS, 401: ERRORS[422], 409: ERRORS[422]}


class CanaryRequest(Body):
    """Share of users whom the challenger answers from now on."""

    share: Annotated[float, Field(ge=0, le=1)]


class StockRequest(Body):
    """How many pieces there are."""

    quantities: Annotated[dict[KeptId, Annotated[float, Field(ge=0, le=1e12)]], Field(min_length=1, max_length=5000)]


class Admin:
    """Checks the token, and writes the audit."""

    def __init__(self, service: RecommendationService, token: str | None, audit: Path) -> None:
        """token: None keeps every admin route closed. audit: the file; other processes append to it, too."""
        self.service, self.token, self.audit = service, token, audit

    def enter(self, request: Request) -> None:
        """Let the call in, or raise ProblemError; either way there is a line."""
        sent = request.headers.get("authorization", "")
        good = self.token is not None and hmac.compare_digest(sent.encode(), f"Bearer {self.token}".encode())
        self.write(request.url.path, "allowed" if good else "refused", request.state.request_id)
        if not good:
            raise ProblemError(
                401, "admin routes ask for CAROUSEL_ADMIN_TOKEN as a bearer token", {"WWW-Authenticate": "Bearer"}
            )

    def write(self, what: str, outcome: str, request_id: str = "") -> None:
        """Append a line: when, what, with which outcome. No user, no token."""
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
        """Look the champion up now."""
        admin.enter(request)
        await service.apart(service.watcher.poll)
        return {"version": service.champion().version}

    @app.post("/admin/back", responses=PROBLEMS)
    async def revert(request: Request) -> dict[str, Any]:
        """Let the version before serve again in this process, at once; `carousel rollback` moves the alias for all."""
        admin.enter(request)
        try:
            return {"version": service.watcher.revert().version}
        except ContractError as error:
            raise ProblemError(409, str(error)) from None

    @app.post("/admin/canary", responses=PROBLEMS)
    async def canary(body: CanaryRequest, request: Request) -> dict[str, Any]:
        """Let the challenger answer a share of users; 0 ends it."""
        admin.enter(request)
        service.challenger.set_share(body.share)
        return {"share": body.share}

    @app.post("/admin/stock", responses=PROBLEMS)
    async def stock(body: StockRequest, request: Request) -> dict[str, Any]:
        """Tell how many pieces of products there are."""
        admin.enter(request)
        await service.apart(lambda: service.state.set_stock(body.quantities, now_micros()))
        return {"products": len(body.quantities)}

    @app.post("/admin/forget", responses=PROBLEMS)
    async def forget(body: UserRequest, request: Request) -> dict[str, Any]:
        """Remove everything that a user did from the store; say how many events that was."""
        admin.enter(request)
        return {"events": await service.apart(lambda: service.state.delete_user(body.user_id))}
