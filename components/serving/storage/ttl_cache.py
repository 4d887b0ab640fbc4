"""A value that is expensive to read, cached for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCached(Generic[T]):
    """A callable that returns what `read` returned, and reads again once that is older than `seconds`."""

    def __init__(self, seconds: float, read: Callable[[], T]) -> None:
        """Nothing is read before the first call."""
        self.seconds, self.read = seconds, read
        self._cached: tuple[float, T] | None = None

    def __call__(self) -> T:
        """Return the value; raises what `read` raises."""
        cached = self._cached
        if cached is None or time.monotonic() - cached[0] >= self.seconds:
            cached = self._cached = time.monotonic(), self.read()
        return cached[1]

    @property
    def stale(self) -> T | None:
        """Return the cached value, however old; None where nothing was read since the start or `invalidate`."""
        return None if self._cached is None else self._cached[1]

    def set(self, value: T) -> None:
        """Cache a value that is known to be current."""
        self._cached = time.monotonic(), value

    def invalidate(self) -> None:
        """Read again at the next call."""
        self._cached = None
