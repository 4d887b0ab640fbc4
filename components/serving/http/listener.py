"""The socket that all worker processes accept connections from, each one at a time, so that none gets them all.

asyncio accepts as many connections at once as the backlog that it was told, and tells the kernel the same number: the
worker that wakes first takes all that wait, and keeps them as long as they are kept alive. Here asyncio is told one
(`uvicorn.Config.backlog`), and the kernel goes on holding WAITING.
"""

import socket
from multiprocessing.reduction import DupFd
from typing import Any

WAITING = 2048  # connections that the kernel holds until a worker takes them


class Listener(socket.socket):
    """A listening socket whose queue in the kernel is not shortened."""

    def listen(self, backlog: int = WAITING, /) -> None:
        """Listen; the number is the kernel's own."""
        super().listen(WAITING)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes the same socket."""
        return _rebuilt, (DupFd(self.fileno()), self.family, self.type, self.proto)


def listening(host: str, port: int) -> Listener:
    """Return a socket that listens there; raises OSError."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    plain = socket.create_server((host, port), family=family, backlog=WAITING)
    return Listener(plain.family, plain.type, plain.proto, plain.detach())


def _rebuilt(descriptor: Any, family: int, kind: int, protocol: int) -> Listener:
    return Listener(family, kind, protocol, descriptor.detach())
