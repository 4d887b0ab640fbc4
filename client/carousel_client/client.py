"""The client: connections, tokens, repetition of failed requests, errors."""

import random
import time
from functools import cache
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from pydantic import BaseModel, TypeAdapter

from carousel_client.routes import Routes

RETRIED = (429, 502, 503, 504)  # the service, or a proxy before it, asks for another attempt
PAUSE_S, MAX_PAUSE_S = 0.1, 5.0  # before the second attempt, doubled for each further one
ADMIN = "/admin/"


class ServiceError(Exception):
    """The service refused a request. errors: where in the request (`where`), and what is wrong there (`what`)."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]], request_id: str | None) -> None:
        places = "".join(f"; {error.get('where')}: {error.get('what')}" for error in errors)
        super().__init__(f"{status}: {detail}{places} (request {request_id})")
        self.status, self.detail, self.errors, self.request_id = status, detail, errors, request_id


class UnavailableError(Exception):
    """No attempt got an answer; events of the request may be stored or not. Repeat it with the same idempotency key."""


class CarouselClient(Routes):
    """Calls the routes of one service; may be used by several threads at once.

    A request that fails for a reason that passes is repeated: no connection, no answer in time, or a status of RETRIED.
    Events are sent with an idempotency key, so that they count once. Admin routes are not repeated.
    """

    def __init__(
        self,
        url: str,
        read_token: str | None = None,
        admin_token: str | None = None,
        timeout_s: float = 2.0,
        n_attempts: int = 4,
    ) -> None:
        """url: without the route. Tokens: CAROUSEL_READ_TOKEN and CAROUSEL_ADMIN_TOKEN of the service, if it has them.

        timeout_s: of each attempt.
        """
        self._read_token, self._admin_token = read_token, admin_token
        self._n_attempts = n_attempts
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(
        self, method: str, path: str, body: BaseModel | None, reply: Any, idempotency_key: str | None = None
    ) -> Any:
        """Return the answer as `reply`. Raises ServiceError, UnavailableError."""
        headers, is_admin = {}, path.startswith(ADMIN)
        token = self._admin_token if is_admin else self._read_token
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if path == "/events":
            headers["Idempotency-Key"] = idempotency_key or str(uuid4())
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = body.model_dump_json(exclude_none=True).encode()
        answer = self._send(method, path, content, headers, 1 if is_admin else self._n_attempts)
        if answer.status_code != 200:
            raise _to_error(answer)
        return _adapter(reply).validate_json(answer.content)

    def _send(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str], n_attempts: int
    ) -> httpx.Response:
        for attempt in range(n_attempts):
            is_last = attempt == n_attempts - 1
            pause_s = random.uniform(0.5, 1) * PAUSE_S * 2**attempt  # so that clients do not repeat at the same time
            try:
                answer = self._http.request(method, path, content=content, headers=headers)
            except httpx.TransportError as error:
                if is_last:
                    raise UnavailableError(f"{method} {path}: {n_attempts} attempts, the last: {error!r}") from error
            else:
                if is_last or answer.status_code not in RETRIED:
                    return answer
                wanted = answer.headers.get("retry-after", "")
                pause_s = max(pause_s, float(wanted) if wanted.isdecimal() else 0)
            time.sleep(min(pause_s, MAX_PAUSE_S))
        raise ValueError(f"n_attempts: expected 1 or more, got {n_attempts}")


def _to_error(answer: httpx.Response) -> ServiceError:
    try:
        problem = answer.json()
        return ServiceError(answer.status_code, problem["detail"], problem.get("errors", []), problem.get("request_id"))
    except (ValueError, KeyError, TypeError):  # of a proxy
        return ServiceError(answer.status_code, answer.text[:200], [], answer.headers.get("x-request-id"))


@cache
def _adapter(reply: Any) -> TypeAdapter[Any]:
    return TypeAdapter(reply)
