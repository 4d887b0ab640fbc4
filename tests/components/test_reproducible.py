"""A training runs as in a fresh process, independent of this one's state, and restores that state."""

import pytest
import torch
from threadpoolctl import threadpool_info

from components.blas import THREADS as BLAS_THREADS
from components.reproducible import TORCH_THREADS, reproducible
from tests.components.used_process import OTHER, used_process


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_a_block_runs_as_in_a_fresh_process() -> None:
    with used_process(), reproducible():
        assert torch.get_num_threads() == TORCH_THREADS
        assert blas() <= {BLAS_THREADS}
        assert torch.get_default_dtype() is torch.float32
        assert not torch.are_deterministic_algorithms_enabled()
    with reproducible(OTHER + 1):
        assert torch.get_num_threads() == OTHER + 1


@pytest.mark.parametrize("fails", [False, True])
def test_the_state_before_is_restored(fails: bool) -> None:
    @reproducible()
    def work() -> None:
        torch.manual_seed(3)
        if fails:
            raise KeyError

    with used_process():
        threads, state = blas(), torch.get_rng_state()
        try:
            work()
        except KeyError:
            assert fails
        assert torch.get_num_threads() == OTHER
        assert blas() == threads
        assert torch.get_default_dtype() is torch.float64
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.equal(torch.get_rng_state(), state)
