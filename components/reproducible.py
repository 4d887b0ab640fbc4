"""The process state that a trained model's bytes depend on: threads, data type, algorithms and random numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from components.blas import fresh_blas_threads

# The count of a fresh process: this module is imported before any code of ours changes it.
TORCH_THREADS = torch.get_num_threads()


@contextmanager
def reproducible(threads: int = 0) -> Iterator[None]:
    """Run a block, or a function as a decorator, as in a fresh process; restore the state of this one afterwards.

    Sets the threads of torch (threads; 0: those of a fresh process) and of BLAS, float32 as the default data type and
    torch's choice of algorithms. Random numbers that the block draws do not change the caller's random state of torch.
    torch's inter-op threads cannot be set twice in a process, and no training here uses them.
    """
    before = torch.get_num_threads()
    dtype = torch.get_default_dtype()
    mode = torch.get_deterministic_debug_mode()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        with fresh_blas_threads(), torch.random.fork_rng(devices):
            torch.set_num_threads(threads or TORCH_THREADS)
            torch.set_default_dtype(torch.float32)
            torch.set_deterministic_debug_mode("default")
            yield
    finally:
        torch.set_num_threads(before)
        torch.set_default_dtype(dtype)
        torch.set_deterministic_debug_mode(mode)
