"""Raw bytes to the server that is served: slow and ambiguous requests are refused and closed, others are not."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from components.serving.http.listener import choose_loop, loop_backlog, open_listener
from components.serving.http.middleware import RequestGuard
from components.serving.http.protocol import BoundedProtocol
from components.serving.metrics import ServiceMetrics

HEAD = b"GET / HTTP/1.1\r\nHost: shop\r\n"


class ShortTimeoutProtocol(BoundedProtocol):
    head_s = 0.3


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after more than the timeout of a head; /body answers with the body, /loop with the event loop's module."""
    await asyncio.sleep(0.5 if scope["path"] == "/slow" else 0)
    module = type(asyncio.get_running_loop()).__module__.encode()
    bodies = {"/body": (await receive())["body"], "/loop": module}
    body = bodies.get(scope["path"], b"ok")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def running(timeout_s: float = 0.3) -> Iterator[int]:
    guard = RequestGuard(app, 1024, timeout_s, ["shop"], ServiceMetrics())
    loop = choose_loop()
    config = uvicorn.Config(
        guard,
        http=ShortTimeoutProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        loop=loop,
        backlog=loop_backlog(loop),
    )
    server = uvicorn.Server(config)
    with open_listener("127.0.0.1", 0) as listener:
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


def ask(port: int, sent: bytes) -> list[bytes]:
    """Return the status and the body of each answer on one connection, which must be closed in the end."""
    with connect(port) as connection:
        connection.sendall(sent)
        received = read_until_closed(connection)
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = (
            int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            if b"content-length" in head.lower()
            else len(rest)
        )
        answers += [head[9:12], rest[:length]]
        received = rest[length:]
    return answers


POST = b"POST /body HTTP/1.1\r\nHost: shop\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"


def test_the_tests_run_on_the_loop_that_is_served(port: int) -> None:
    pytest.importorskip("uvloop")
    assert ask(port, b"GET /loop HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n") == [b"200", b"uvloop"]


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: Chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n" + SMUGGLED,
        b"POST /body HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab" + SMUGGLED,
        POST + b"Content-Length: 1, 2\r\n\r\nab" + SMUGGLED,
        POST + b"Content-Length: +1\r\n\r\na" + SMUGGLED,
        POST + b"Content-Length: -1\r\n\r\na" + SMUGGLED,
        POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\na" + SMUGGLED,
        POST + b"Content-Length : 1\r\n\r\na" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Host: other\r\n\r\n" + SMUGGLED,
        b"POST /body HTTP/1.1\r\n\r\n" + SMUGGLED,
    ],
)
def test_a_request_whose_end_or_host_is_ambiguous_gets_400_and_closes(port: int, sent: bytes) -> None:
    answers = ask(port, sent)
    assert (answers[0], len(answers)) == (b"400", 2)


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked"])
def test_an_unknown_transfer_encoding_closes(port: int, coding: bytes) -> None:
    answers = ask(port, POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
    assert (answers[0] in (b"400", b"501"), len(answers)) == (True, 2)


def test_equal_lengths_and_chunks_are_read(port: int) -> None:
    last = b"Connection: close\r\n"
    assert ask(port, POST + last + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na") == [b"200", b"a"]
    assert ask(port, POST + last + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n") == [b"200", b"a"]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://shop/body?x=1", b"shop", b"200"),
        (b"http://SHOP:80/body", b"evil", b"200"),  # the host of the target counts
        (b"https://shop", b"shop", b"200"),
        (b"http://evil/body", b"shop", b"403"),
        (b"http://shop@evil/body", b"shop", b"403"),
        (b"http://evil@shop/body", b"shop", b"403"),
        (b"http:///body", b"shop", b"403"),
        (b"ftp://shop/body", b"shop", b"400"),
        (b"body", b"shop", b"400"),
        (b"*", b"shop", b"400"),
        (b"shop:80", b"shop", b"400"),
        (b"/body", b"evil@shop", b"403"),
        (b"/body", b"shop:80@evil", b"403"),
        (b"/body", b"shop:80", b"200"),
        (b"//evil/body", b"shop", b"200"),  # a path as any other
    ],
)
def test_the_host_of_an_absolute_target_is_judged(port: int, target: bytes, host: bytes, status: bytes) -> None:
    head = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert ask(port, head)[0] == status


def test_an_absolute_target_is_routed_by_its_path(port: int) -> None:
    assert ask(port, b"GET http://shop/loop HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")[1] != b"ok"


def test_a_head_request_has_the_headers_of_get_and_no_body(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(
            b"HEAD /loop HTTP/1.1\r\nHost: shop\r\n\r\nGET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
        )
        received = read_until_closed(connection)
    first, second, body = received.split(b"\r\n\r\n")
    assert (first[:12], second[:12], body) == (b"HTTP/1.1 200", b"HTTP/1.1 200", b"ok")
    assert b"content-length: 2" not in first.lower()


def test_a_head_with_too_many_headers_is_refused(port: int) -> None:
    with connect(port) as connection:
        with suppress(OSError):
            for n in range(100_000):
                connection.sendall(b"%sA%d: x\r\n" % (HEAD if not n else b"", n))
        with suppress(OSError):
            assert connection.recv(4096)[:10] in (b"HTTP/1.1 4", b"")


def test_the_body_of_another_site_is_not_read(port: int) -> None:
    """A refused request closes its connection, so that its body is no second request."""
    sent = POST + b"Origin: https://evil.example\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED
    answers = ask(port, sent)
    assert (answers[0], len(answers)) == (b"403", 2)
