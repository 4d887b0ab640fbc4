"""Connections that never complete a request are closed; others are not."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from components.serving.http.middleware import RequestGuard
from components.serving.http.protocol import BoundedProtocol
from components.serving.metrics import ServiceMetrics

HEAD = b"GET / HTTP/1.1\r\nHost: shop\r\n"


class ShortTimeoutProtocol(BoundedProtocol):
    head_s = 0.3


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after more than the timeout of a head."""
    await asyncio.sleep(0.5 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def running(timeout_s: float = 0.3) -> Iterator[int]:
    guard = RequestGuard(app, 1024, timeout_s, ["*"], ServiceMetrics())
    config = uvicorn.Config(
        guard, http=ShortTimeoutProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as number:
        yield number


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def read_until_closed(connection: socket.socket) -> bytes:
    """Return all that arrives until the other side closes; raises TimeoutError where it does not."""
    received = b""
    while part := connection.recv(4096):
        received += part
    return received


@pytest.mark.parametrize("sent", [b"", b"G", HEAD])
def test_an_incomplete_head_times_out(port: int, sent: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(sent)
        assert read_until_closed(connection) == b""


def test_a_head_sent_byte_by_byte_times_out(port: int) -> None:
    with connect(port) as connection:
        sent = 0
        with suppress(OSError):
            for byte in HEAD * 20:
                connection.sendall(bytes([byte]))
                sent += 1
                time.sleep(0.02)
        assert 0 < sent < 10 * len(HEAD)  # cut long before the end: after 0.3 s, at 0.02 s a byte


def test_a_slow_answer_and_a_second_request_do_not_time_out(port: int) -> None:
    with connect(port) as connection:
        for path in (b"/slow", b"/slow", b"/"):
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered(port: int) -> None:
    with connect(port) as connection:
        connection.sendall((HEAD + b"\r\n") * 3)
        text = b""
        while text.count(b"HTTP/1.1 200") < 3:
            part = connection.recv(4096)
            assert part
            text += part


def test_the_second_head_is_bounded_too(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(HEAD)
        read_until_closed(connection)


def test_a_body_that_does_not_arrive_is_answered_with_408(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nabc")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        read_until_closed(connection)


def test_a_body_announced_too_large_is_answered_with_413(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 200000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
        read_until_closed(connection)


@pytest.mark.parametrize("sent", [b"\x00\x01\x02\r\n\r\n", HEAD + b"A: " + b"x" * 100_000])
def test_bytes_that_are_no_http_are_answered_with_4xx(port: int, sent: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(sent)
        reply = connection.recv(4096)
        assert reply.startswith(b"HTTP/1.1 4")
