"""The outermost layer of the app: request ids, allowed hosts, bounds on bodies, and an answer to every failure."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.http.problems import problem
from components.serving.metrics import ServiceMetrics

log = logging.getLogger("serving")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
PROCESS, NUMBERS = secrets.token_hex(8), count()  # unique per process: workers are spawned, not forked
PROBES = ("/livez", "/readyz", "/metrics")
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class RequestGuard:
    """ASGI middleware around the routes."""

    def __init__(
        self, app: ASGIApp, max_body_bytes: int, timeout_s: float, hosts: Sequence[str], metrics: ServiceMetrics
    ) -> None:
        """hosts: allowed in the Host header, "*" allows any; probes are answered for any host."""
        self.app = app
        self.hosts = frozenset(hosts)
        self.max_body_bytes = max_body_bytes
        self.timeout_s = timeout_s
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, bounded in size and time, and let the app answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        sender = _Sender(send, request_id)
        refusal = _reject_foreign_host(scope["path"], headers, self.hosts, request_id)
        body = b""
        try:
            if refusal is None:
                async with asyncio.timeout(self.timeout_s):
                    body = await self._body(scope, receive)
        except TimeoutError:
            refusal = problem(408, f"the body did not arrive within {self.timeout_s:g} s", request_id)
        except _TooLargeError:
            refusal = problem(413, f"the body is over {self.max_body_bytes // 1024} KiB", request_id)
        except _DisconnectError:
            return
        if refusal:
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, sender)
        else:
            await self._run(scope, _Replay(body, receive), sender, request_id)
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.record_request(route, sender.status, time.perf_counter() - started)

    async def _run(self, scope: Scope, receive: Receive, sender: "_Sender", request_id: str) -> None:
        try:
            await self.app(scope, receive, sender)
        except Exception:  # of any type: the client gets status 500, the log the traceback
            log.exception("request %s failed", request_id)
            if not sender.status:
                failed: Response = problem(500, "the service failed; its log has the reason", request_id)
                await failed(scope, receive, sender)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.max_body_bytes:
            raise _TooLargeError
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectError
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.max_body_bytes:
                raise _TooLargeError
        return bytes(body)


class _TooLargeError(Exception):
    pass


class _DisconnectError(Exception):
    pass


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
            message = {**message, "headers": [*message.get("headers", []), *self.headers]}
        await self.send(message)


def _reject_foreign_host(
    path: str, headers: Mapping[bytes, bytes], hosts: frozenset[str], request_id: str
) -> Response | None:
    """Return 403 for a Host that is not allowed (DNS rebinding), or an Origin other than the Host (cross-site)."""
    if "*" in hosts or path in PROBES:
        return None
    host = headers.get(b"host", b"")
    if _host(b"//" + host)[1] not in hosts:
        return problem(403, "the Host header is none of serving.allowed_hosts", request_id)
    origin = headers.get(b"origin")
    if origin is not None and _host(origin)[0] != host.decode("latin-1"):
        return problem(403, "the Origin is another host than the Host header", request_id)
    return None


@lru_cache(maxsize=1000)
def _host(address: bytes) -> tuple[str, str | None]:
    """Return host and port, and the host alone."""
    try:
        parts = urlsplit(address.decode("latin-1"))
        return parts.netloc, parts.hostname
    except ValueError:  # such as an incomplete IPv6 address
        return "", None


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the caller's X-Request-ID where it matches REQUEST_ID, else this process and a running number."""
    sent = headers.get(b"x-request-id")
    return sent.decode() if sent and REQUEST_ID.fullmatch(sent) else f"{PROCESS}{next(NUMBERS):x}"
