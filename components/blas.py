"""The number of BLAS threads, on which the last bits of a matrix product or decomposition depend."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np  # noqa: F401 - loads the BLAS that is counted below
from threadpoolctl import threadpool_info, threadpool_limits

# The count of a fresh process: this module is imported before any code of ours changes it.
THREADS = max((lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"), default=1)


@contextmanager
def fresh_blas_threads() -> Iterator[None]:
    """Run a block, or a function as a decorator, with as many BLAS threads as a fresh process has."""
    with threadpool_limits(THREADS, "blas"):
        yield
