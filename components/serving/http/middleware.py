"""The outermost layer of the app: request ids, allowed hosts, bounds on bodies, and an answer to every failure."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.ids import shop_null_ids
from components.params.hosts import host_name, origin, origin_host
from components.serving.http.access import PROBES, ReadAccess
from components.serving.http.bodies import DisconnectError, read_json
from components.serving.http.problems import ProblemError, problem
from components.serving.metrics import ServiceMetrics

log = logging.getLogger("serving")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
PROCESS, NUMBERS = secrets.token_hex(8), count()  # unique per process: workers are spawned, not forked
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),  # the last one: left out where the answer has its own
]
ABSOLUTE = re.compile(rb"https?://([^/?#]*)(/.*|)", re.IGNORECASE | re.DOTALL)  # a request target with its host


class RequestGuard:
    """ASGI middleware around the routes."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        timeout_s: float,
        hosts: Sequence[str],
        metrics: ServiceMetrics,
        origins: Sequence[str] = (),
        access: ReadAccess | None = None,
        null_ids: Collection[str] = (),
    ) -> None:
        """hosts: names allowed in the headers Host and Origin, "*" allows any; probes are answered for any.

        origins: further ones allowed in Origin. access: None allows every reader. null_ids: of the section data.
        """
        self.app = app
        self.null_ids = frozenset(word.lower() for word in null_ids)
        self.hosts = frozenset(hosts)
        self.origins = frozenset(origins)
        self.max_body_bytes = max_body_bytes
        self.timeout_s = timeout_s
        self.metrics = metrics
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, bounded in size and time, and let the app answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        shop_null_ids.set(self.null_ids)
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        is_head = scope["method"] == "HEAD"  # answered as GET; the server, whose scope this is not, omits the body
        state = {**scope.get("state", {}), "request_id": request_id, "is_head": is_head}
        scope = {**scope, "state": state, "method": "GET" if is_head else scope["method"]}
        sender = _Sender(send, request_id)
        try:
            self._check(scope, headers)
            body = await self._read_body(scope, headers, receive)
        except DisconnectError:
            return
        except ProblemError as error:
            refusal = problem(error.status, error.detail, request_id, headers=error.headers)
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, sender)
        else:
            await self._run(scope, _Replay(body, receive), sender, request_id)
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.record_request(route, sender.status, time.perf_counter() - started)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raise ProblemError for a request that is not answered, whatever its body."""
        target = scope.get("raw_path") or b"/"
        if not target.startswith(b"/"):
            absolute = ABSOLUTE.fullmatch(target)
            if absolute is None:
                raise ProblemError(400, "the request target must be a path")
            headers[b"host"] = absolute[1]  # it counts instead of the header
            scope["headers"] = list(headers.items())
            scope["raw_path"] = absolute[2] or b"/"
            scope["path"] = unquote(scope["raw_path"].decode("ascii"))
        if not scope["path"].isprintable():  # a route's pattern would match "/profile\n" too
            raise ProblemError(400, "the path must not contain control characters")
        self._check_host(scope["path"], headers)
        if self.access is not None:
            self.access.check(scope["path"], headers)

    def _check_host(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise ProblemError for a Host (DNS rebinding) or an Origin (another site's page) that is not allowed."""
        if "*" in self.hosts or path in PROBES:
            return
        if host_name(headers.get(b"host", b"").decode("latin-1")) not in self.hosts:
            raise ProblemError(403, "the Host header is none of serving.allowed_hosts")
        sent = headers[b"origin"].decode("latin-1") if b"origin" in headers else None
        if sent is None or "*" in self.origins or origin_host(sent) in self.hosts:
            return
        if origin(sent) not in self.origins:
            raise ProblemError(403, "the Origin is none of serving.allowed_hosts and serving.cors_origins")

    async def _read_body(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await read_json(scope, headers, receive, self.max_body_bytes)
        except TimeoutError:
            raise ProblemError(408, f"the body did not arrive within {self.timeout_s:g} s") from None

    async def _run(self, scope: Scope, receive: Receive, sender: "_Sender", request_id: str) -> None:
        try:
            await self.app(scope, receive, sender)
        except Exception:  # of any type: the client gets status 500, the log the traceback
            log.exception("request %s failed", request_id)
            if not sender.status:
                failed: Response = problem(500, "the service failed; its log has the reason", request_id)
                await failed(scope, receive, sender)


class _Replay:
    """Passes the body that was read to the app, then whatever the connection receives."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.body: bytes | None = body
        self.receive = receive

    async def __call__(self) -> MutableMapping[str, Any]:
        if self.body is None:
            return await self.receive()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Sender:
    """Sends the app's answer with further headers; `status` is 0 until the answer is sent."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.send = send
        self.headers = [(b"x-request-id", request_id.encode()), *HEADERS]
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", []))
            added = self.headers if all(name != b"cache-control" for name, _ in own) else self.headers[:-1]
            message = {**message, "headers": [*own, *added]}
        await self.send(message)


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the caller's X-Request-ID where it matches REQUEST_ID, else this process and a running number."""
    sent = headers.get(b"x-request-id")
    return sent.decode() if sent and REQUEST_ID.fullmatch(sent) else f"{PROCESS}{next(NUMBERS):x}"
