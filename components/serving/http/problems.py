"""Errors as application/problem+json (RFC 9457). No answer repeats what the request held: only where it was wrong."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from components.serving.schemas import Problem
from components.serving.storage.event_store import StoreError

log = logging.getLogger("serving")
MAX_ERRORS = 10  # that one answer lists


class ProblemError(Exception):
    """A request that gets an error: its status, and a detail for the person who sent it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def problem(
    status: int,
    detail: str,
    request_id: str,
    errors: Sequence[dict[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response, plain ASCII."""
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=list(errors),
    )
    return Response(json.dumps(body.model_dump()), status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Let every error of the app, its router and its validation be a problem."""

    @app.exception_handler(ProblemError)
    async def _own(request: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, request.state.request_id, headers=error.headers)

    @app.exception_handler(StoreError)
    async def _store(request: Request, error: StoreError) -> Response:
        log.warning("%s", error)
        return problem(
            503, "the store of histories is away; try again", request.state.request_id, headers={"Retry-After": "1"}
        )

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), request.state.request_id, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        shown = [{"where": _where(e), "what": str(e["msg"])} for e in found[:MAX_ERRORS]]
        return problem(422, f"{len(found)} error(s) in the request", request.state.request_id, shown)


def _where(error: Mapping[str, Any]) -> str:
    """Return such as "body.history.3.item_id"; a name that the request made up stays out."""
    parts = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        parts[-1] = "(unknown field)"
    return ".".join(parts)
