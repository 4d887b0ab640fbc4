"""A fit uses the number of BLAS threads of a fresh process, not that of this process."""

from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from components.blas import THREADS, fresh_blas_threads
from components.params import load
from components.recommenders.factory import create
from tests.support import checkerboard

ROOT = Path(__file__).parents[2]


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_the_count_of_a_fresh_process_is_set_and_the_earlier_one_restored() -> None:
    with threadpool_limits(THREADS + 1, "blas"):
        own = blas_threads()
        with fresh_blas_threads():
            assert blas_threads() <= {THREADS}
        assert blas_threads() == own


@pytest.mark.parametrize("name", ["ease", "content"])
def test_a_fit_gives_the_same_bytes_with_another_count(name: str, tmp_path: Path) -> None:
    params = load(ROOT / "params.yaml", overrides=["models.content.dims=4"])
    for count in (1, THREADS + 1):
        with threadpool_limits(count, "blas"):
            create(name, params).fit(*checkerboard()).save(tmp_path / str(count))
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / str(count)).iterdir()} for count in (1, THREADS + 1)
    )
    assert first == second
