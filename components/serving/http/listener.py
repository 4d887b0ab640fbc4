"""The socket that all worker processes accept connections from, one per turn of the event loop.

So no process gets all connections. uvicorn's backlog has two meanings in the event loop. asyncio accepts
that many connections in one turn, and passes the number to `listen()`: the first worker to wake would accept all
waiting connections, and keep them until they close. So asyncio gets a backlog of one, and Listener keeps the kernel's
queue at KERNEL_BACKLOG. uvloop accepts one connection per turn, whatever the backlog, and passes the number to
`listen()` below Python: so uvloop gets KERNEL_BACKLOG, or the kernel would drop connections under load.
"""

import socket
from importlib.util import find_spec
from multiprocessing.reduction import DupFd
from typing import Any, Literal

KERNEL_BACKLOG = 2048  # connections that the kernel holds until a worker accepts them


class Listener(socket.socket):
    """A listening socket whose queue in the kernel is not shortened."""

    def listen(self, backlog: int = KERNEL_BACKLOG, /) -> None:
        """Listen with KERNEL_BACKLOG, whatever the number given."""
        super().listen(KERNEL_BACKLOG)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs to pass the socket to another process."""
        return _rebuild, (DupFd(self.fileno()), self.family, self.type, self.proto)


def open_listener(host: str, port: int) -> Listener:
    """Return a socket that listens on the address; raises OSError."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    plain = socket.create_server((host, port), family=family, backlog=KERNEL_BACKLOG)
    return Listener(plain.family, plain.type, plain.proto, plain.detach())


def choose_loop() -> Literal["uvloop", "asyncio"]:
    """Return the name of the event loop that uvicorn runs: uvloop where it is installed."""
    return "uvloop" if find_spec("uvloop") else "asyncio"


def loop_backlog(loop: Literal["uvloop", "asyncio"]) -> int:
    """Return the backlog under which that loop accepts one connection per turn and the kernel's queue stays long."""
    return KERNEL_BACKLOG if loop == "uvloop" else 1


def _rebuild(descriptor: Any, family: int, kind: int, protocol: int) -> Listener:
    return Listener(family, kind, protocol, descriptor.detach())
