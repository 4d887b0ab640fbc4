"""What is dear to read and may be some seconds old."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCached(Generic[T]):
    """Calling it gives what `read` gave, read again once it is older than `seconds`."""

    def __init__(self, seconds: float, read: Callable[[], T]) -> None:
        """Nothing is read yet."""
        self.seconds, self.read = seconds, read
        self._held: tuple[float, T] | None = None

    def __call__(self) -> T:
        """Return the value; raises what `read` raises."""
        held = self._held
        if held is None or time.monotonic() - held[0] >= self.seconds:
            held = self._held = time.monotonic(), self.read()
        return held[1]

    @property
    def stale(self) -> T | None:
        """Return what is held, however old; None where nothing was ever read."""
        return None if self._held is None else self._held[1]

    def set(self, value: T) -> None:
        """Hold a value that is known to be the newest."""
        self._held = time.monotonic(), value

    def invalidate(self) -> None:
        """Read again at the next call."""
        self._held = None
