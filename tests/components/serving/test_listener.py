"""Connections that come at once are shared out among processes."""

import asyncio
import multiprocessing
import socket
from collections import Counter

from components.serving.listener import WAITING, Listener, listening

N = 60


def answer(listener: Listener) -> None:
    """Tell each connection who took it, as a worker of uvicorn would."""

    async def serve() -> None:
        async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            name = multiprocessing.current_process().name
            writer.write(name.encode())
            await writer.drain()
            await reader.read()

        async with await asyncio.start_server(tell, sock=listener, backlog=1) as server:
            await server.serve_forever()

    asyncio.run(serve())


def test_no_process_takes_all_connections_and_none_is_lost() -> None:
    listener = listening("127.0.0.1", 0)
    port = listener.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=answer, args=(listener,), name=f"w{n}", daemon=True) for n in range(2)]
    for worker in workers:
        worker.start()
    took: Counter[bytes] = Counter()
    try:
        while len(took) < 2:  # both are there
            with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                took[one.recv(10)] += 1
        took.clear()
        held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(N)]
        for one in held:
            took[one.recv(10)] += 1
            one.close()
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
        listener.close()
    assert sum(took.values()) == N
    assert min(took[b"w0"], took[b"w1"]) >= N // 6, took


def test_a_short_backlog_does_not_shorten_the_queue_in_the_kernel() -> None:
    with listening("127.0.0.1", 0) as listener:
        listener.listen(1)
        held = [socket.create_connection(listener.getsockname(), timeout=2) for _ in range(200)]  # nobody accepts
        assert len(held) == 200 < WAITING
        for one in held:
            one.close()
