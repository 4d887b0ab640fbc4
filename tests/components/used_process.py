"""A process in another state than a fresh one: tests check that training gives the same bytes there."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from components.blas import THREADS as BLAS_THREADS
from components.reproducible import TORCH_THREADS

OTHER = TORCH_THREADS + 1  # different from that of a fresh process


@contextmanager
def used_process() -> Iterator[None]:
    """Set other threads, another data type and deterministic algorithms, draw numbers; restore at the end."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    try:
        with threadpool_limits(BLAS_THREADS + 1, "blas"):
            torch.set_num_threads(OTHER)
            torch.set_default_dtype(torch.float64)
            torch.use_deterministic_algorithms(True)
            torch.rand(7)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.use_deterministic_algorithms(False)
