"""Latency of one user's list, from the bundle, on one thread."""

import time

import numpy as np

from components.contracts import Users
from components.errors import ContractError
from components.release.bundle import Bundle

N_REQUESTS = 400  # four requests lie above the 99th percentile
WARM_UP = 20
LIST_LENGTH = 20


def preload() -> None:
    """Import the modules of `measure_latency` in advance: the seconds that it takes must not count as latency."""
    import threadpoolctl  # noqa: F401
    import torch  # noqa: F401


def measure_latency(bundle: Bundle, users: Users) -> float:
    """Return p99, in milliseconds, of requests for one user's list, one at a time.

    users: of the split that the bundle was made from; used in turn until N_REQUESTS are timed.
    """
    import torch
    from threadpoolctl import threadpool_limits

    if not len(users):
        raise ContractError("no users to measure latency with; the test window is empty")
    k = min(LIST_LENGTH, bundle.info.n_items)
    requests = [users.slice(n % len(users), n % len(users) + 1) for n in range(WARM_UP + N_REQUESTS)]
    seconds = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for request in requests:
                started = time.perf_counter()
                bundle.model.recommend(request, k, bundle.info.exclude_seen)
                seconds.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return float(np.quantile(seconds[WARM_UP:], 0.99) * 1000)
