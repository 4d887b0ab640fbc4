"""Simultaneous connections are distributed over processes: each accepts one at a time, none is lost."""

import asyncio
import multiprocessing
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import pytest

from components.serving.http.listener import (
    KERNEL_BACKLOG,
    Listener,
    choose_loop,
    loop_backlog,
    open_listener,
)

N = 60


async def count_ticks(listener: Listener, backlog: int) -> int:
    """Return the number of event loop turns in which N waiting connections are accepted."""
    took: list[int] = []
    ticks = 0

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        took.append(ticks)
        writer.close()

    held = [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(N)]
    async with await asyncio.start_server(note, sock=listener, backlog=backlog):
        while len(took) < N and ticks < 100_000:
            ticks += 1
            await asyncio.sleep(0)
    for one in held:
        one.close()
    assert len(took) == N
    return len(set(took))


LoopName = Literal["uvloop", "asyncio"]


def run_on(loop: LoopName, main: Coroutine[Any, Any, int]) -> int:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_one_connection_is_accepted_per_turn(loop: LoopName) -> None:
    assert run_on(loop, count_ticks(open_listener("127.0.0.1", 0), loop_backlog(loop))) == N


def test_asyncio_accepts_as_many_per_turn_as_its_backlog() -> None:
    assert asyncio.run(count_ticks(open_listener("127.0.0.1", 0), 2048)) < N // 2


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_kernel_queues_connections_while_the_loop_is_busy(loop: LoopName) -> None:
    async def connect_from_a_busy_loop() -> int:
        listener = open_listener("127.0.0.1", 0)
        async with await asyncio.start_server(lambda *_: None, sock=listener, backlog=loop_backlog(loop)):
            held = [socket.create_connection(listener.getsockname(), timeout=2) for _ in range(200)]  # none is accepted
            for one in held:
                one.close()
        return len(held)

    assert run_on(loop, connect_from_a_busy_loop()) == 200


def test_the_loop_is_the_one_that_uvicorn_would_choose() -> None:
    from uvicorn import Config

    assert Config("x", loop=choose_loop()).get_loop_factory() == Config("x").get_loop_factory()


def answer(listener: Listener) -> None:
    """Send the process name to each connection, as a stand-in for a uvicorn worker."""

    async def serve() -> None:
        async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            name = multiprocessing.current_process().name
            writer.write(name.encode())
            await writer.drain()
            await reader.read()

        async with await asyncio.start_server(tell, sock=listener, backlog=1) as server:
            await server.serve_forever()

    asyncio.run(serve())


def test_all_processes_accept_connections_from_the_listener() -> None:
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=answer, args=(listener,), name=f"w{n}", daemon=True) for n in range(2)]
    for worker in workers:
        worker.start()
    took: Counter[bytes] = Counter()
    try:
        while len(took) < 2:
            held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(N)]
            for one in held:
                took[one.recv(10)] += 1
                one.close()
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
        listener.close()
    assert set(took) == {b"w0", b"w1"}
    assert sum(took.values()) % N == 0


def test_a_short_backlog_does_not_shorten_the_queue_in_the_kernel() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        listener.listen(1)
        held = [socket.create_connection(listener.getsockname(), timeout=2) for _ in range(200)]  # none is accepted
        assert len(held) == 200 < KERNEL_BACKLOG
        for one in held:
            one.close()
