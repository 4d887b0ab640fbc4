"""uvicorn's HTTP/1.1, with a bound on the time for the head of a request, and one answer to a damaged request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0  # from the connect, or the first byte of a request, to the end of its head


class BoundedProtocol(H11Protocol):
    """Closes a connection whose request head does not arrive in time; uvicorn itself has no such timeout."""

    head_s = HEAD_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer of the first head."""
        super().connection_made(transport)
        self._set_timer()

    def data_received(self, data: bytes) -> None:
        """Run the timer while a head is incomplete, not while a request is being answered."""
        super().data_received(data)
        if self._is_busy():
            self._clear_timer()
        elif self._head_timer is None:
            self._set_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP; an app that is answering the head before them must not answer too."""
        if self._is_busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Stop the timer; the next data starts it, and uvicorn's keep-alive timeout covers the time until then."""
        super().on_response_complete()
        self._clear_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._clear_timer()
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _set_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._close_late)

    def _clear_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_late(self) -> None:
        self._head_timer = None
        if not self._is_busy() and not self.transport.is_closing():
            self.transport.close()
