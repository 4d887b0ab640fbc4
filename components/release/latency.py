"""Latency of one user's list, from the bundle, on one thread, without the time that other processes take."""

import os
import time
from pathlib import Path
from typing import Self

import numpy as np

from components.contracts import Users
from components.errors import ContractError
from components.release.bundle import Bundle

N_REQUESTS = 200  # two requests lie above the 99th percentile
ROUNDS = 3  # each request is timed once per round, and its shortest time counts
WARM_UP = 20
LIST_LENGTH = 20
QUEUE_TIMES = Path("/proc/thread-self/schedstat")


def preload() -> None:
    """Import the modules of `measure_latency` in advance: the seconds that it takes must not count as latency."""
    import threadpoolctl  # noqa: F401
    import torch  # noqa: F401


class ThreadClock:
    """A clock of the calling thread that stops while the thread waits for a core, and only then.

    Work, sleep, input and output, and waiting for other threads or processes count. Linux counts the waiting time for a
    core; where it does not, this is a plain clock.
    """

    def __enter__(self) -> Self:
        self._file = os.open(QUEUE_TIMES, os.O_RDONLY) if QUEUE_TIMES.exists() else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def now(self) -> float:
        """Return the time in seconds, from an arbitrary start."""
        waited_ns = 0 if self._file is None else int(os.pread(self._file, 100, 0).split()[1])
        return time.perf_counter() - waited_ns / 1e9


def measure_latency(bundle: Bundle, users: Users) -> float:
    """Return p99, in milliseconds, of requests for one user's list, one at a time.

    The time of a request is the shortest of ROUNDS, so that a pause of the machine does not count.
    users: of the split that the bundle was made from; used in turn until there are N_REQUESTS.
    """
    import torch
    from threadpoolctl import threadpool_limits

    if not len(users):
        raise ContractError("no users to measure latency with; the test window is empty")
    k = min(LIST_LENGTH, bundle.info.n_items)
    requests = [users.slice(n % len(users), n % len(users) + 1) for n in range(N_REQUESTS)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def recommend(request: Users) -> None:
        bundle.model.recommend(request, k, bundle.info.exclude_seen)

    def time_requests() -> list[float]:
        times = [clock.now()]
        for request in requests:
            recommend(request)
            times.append(clock.now())
        return list(np.diff(times))

    try:
        with threadpool_limits(1), ThreadClock() as clock:
            for request in requests[:WARM_UP]:
                recommend(request)
            seconds = np.min([time_requests() for _ in range(ROUNDS)], axis=0)
    finally:
        torch.set_num_threads(threads)
    return float(np.quantile(seconds, 0.99) * 1000)
