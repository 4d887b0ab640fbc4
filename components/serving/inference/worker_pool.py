"""Threads for the work of a request that takes long enough to block the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from components.serving.inference.errors import OverloadError
from components.serving.metrics import ServiceMetrics

T = TypeVar("T")


class WorkerPool:
    """A bounded number of threads, and a bounded queue before them."""

    def __init__(self, threads: int, max_queue: int, metrics: ServiceMetrics) -> None:
        self.capacity, self.metrics = threads + max_queue, metrics
        self._limiter = anyio.CapacityLimiter(threads)
        self._n_active = 0

    async def run_in_worker(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, run in a thread; raises what it raises, or OverloadError."""
        if self._n_active >= self.capacity:
            raise OverloadError
        self._n_active += 1
        self.metrics.worker_requests.set(self._n_active)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._n_active -= 1
            self.metrics.worker_requests.set(self._n_active)
