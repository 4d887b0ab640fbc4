"""Errors as application/problem+json (RFC 9457). A problem names the invalid field, and never contains request data."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from components.redact import redact
from components.rule_language import RuleError
from components.serving.http.invalid import describe_error
from components.serving.inference.errors import (
    MissingPartError,
    NoModelError,
    OverloadError,
    PictureError,
    UnknownItemError,
)
from components.serving.metrics import ServiceMetrics
from components.serving.schemas import Problem
from components.serving.storage.event_store import StoreError

log = logging.getLogger("serving")
MAX_ERRORS = 10  # listed in one answer
Responses = dict[int | str, dict[str, Any]]
PROBLEM_MODEL: Responses = {503: {"model": Problem}}  # once: FastAPI makes a validator for each route and status
ERRORS: Responses = {status: {} for status in (400, 401, 403, 408, 413, 415, 422, 500, 503)}  # model: openapi.py
ERRORS_404: Responses = {**ERRORS, 404: {}}  # of routes that look something up


class ProblemError(Exception):
    """An error answer to a request: its HTTP status, and a detail for the caller."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def check_list_length(k: int, max_k: int) -> None:
    """Raise ProblemError for a list length out of bounds."""
    if not 1 <= k <= max_k:
        raise ProblemError(422, f"k is a list length from 1 to {max_k}")


def event_not_stored(error: Exception) -> ProblemError:
    """Return the error for events that could not be written."""
    reason = "the store is unavailable, busy or full" if isinstance(error, StoreError) else "the store failed"
    return ProblemError(503, f"the events were not stored: {reason}; send them again", {"Retry-After": "1"})


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
        detail=redact(detail),
        request_id=request_id,
        errors=list(errors),
    )
    return Response(json.dumps(body.model_dump()), status, headers, "application/problem+json")


def install(app: FastAPI, metrics: ServiceMetrics) -> None:
    """Answer every error of the app, its router, its validation and the domain with a problem."""

    @app.exception_handler(ProblemError)
    async def _own(request: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, request.state.request_id, headers=error.headers)

    for kind in (OverloadError, NoModelError, UnknownItemError, MissingPartError, PictureError, RuleError, StoreError):

        @app.exception_handler(kind)
        async def _domain(request: Request, error: Exception) -> Response:
            if isinstance(error, OverloadError):
                metrics.requests_shed.inc()
            if isinstance(error, StoreError):
                log.warning("%s", error)
            return await _own(request, to_problem(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), request.state.request_id, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        body = getattr(request.scope.get("route"), "body_field", None)
        kind = None if body is None else body.field_info.annotation
        shown = [describe_error(error, kind) for error in found[:MAX_ERRORS]]
        return problem(422, f"{len(found)} error(s) in the request", request.state.request_id, shown)


def to_problem(error: Exception) -> ProblemError:
    """Return the problem that answers an error of the domain."""
    match error:
        case OverloadError():
            return ProblemError(503, str(error), {"Retry-After": "1"})
        case NoModelError():
            return ProblemError(503, str(error), {"Retry-After": "5"})
        case StoreError():  # its message contains hosts and paths
            return ProblemError(503, "the event store is unavailable; try again", {"Retry-After": "1"})
        case PictureError():
            return ProblemError(422, str(error))
        case RuleError():
            return ProblemError(422, f"filters.rules: {error}")
    return ProblemError(404, str(error))
