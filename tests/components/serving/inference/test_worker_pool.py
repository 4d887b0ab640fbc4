"""Worker threads: bounded in number and queue, counted, and transparent for results and errors."""

import asyncio
import threading

import pytest

from components.serving.inference.errors import OverloadError
from components.serving.inference.worker_pool import WorkerPool
from components.serving.metrics import ServiceMetrics


def test_work_beyond_threads_and_queue_is_refused() -> None:
    async def run() -> tuple[list[int], float | None]:
        metrics, may_end = ServiceMetrics(), threading.Event()
        workers = WorkerPool(1, 1, metrics)

        def work() -> int:
            assert may_end.wait(60)
            return 7

        admitted = [asyncio.create_task(workers.run_in_worker(work)) for _ in range(2)]
        await asyncio.sleep(0)
        active = metrics.registry.get_sample_value("carousel_worker_requests")
        with pytest.raises(OverloadError):
            await workers.run_in_worker(work)
        may_end.set()
        return await asyncio.gather(*admitted), active

    assert asyncio.run(run()) == ([7, 7], 2)


def test_an_error_of_the_work_reaches_the_caller_and_frees_its_thread() -> None:
    async def run() -> int:
        workers = WorkerPool(1, 0, ServiceMetrics())
        with pytest.raises(ZeroDivisionError):
            await workers.run_in_worker(lambda: 1 // 0)
        return await workers.run_in_worker(lambda: 7)

    assert asyncio.run(run()) == 7
