"""Large arrays are mapped files without a name; small ones are in memory."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from components import mapped_arrays
from components.errors import ContractError


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the files; arrays above 8 bytes are mapped."""
    monkeypatch.setattr(mapped_arrays, "SCRATCH", tmp_path)
    monkeypatch.setattr(mapped_arrays, "IN_MEMORY_BYTES", 8)
    return tmp_path


def mapped_bytes(folder: Path) -> int:
    """Return the bytes of this process's mappings of files in the folder."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if f"{folder}/" in line]
    return sum(int(end, 16) - int(start, 16) for start, end in (line[0].split("-") for line in lines))


def test_a_large_array_is_a_file_without_a_name(scratch: Path) -> None:
    array = mapped_arrays.allocate(100_000, np.int32)
    array[:] = np.arange(100_000)
    assert array.sum() == 99_999 * 50_000
    assert mapped_bytes(scratch) >= 400_000
    assert list(scratch.iterdir()) == []
    del array
    assert mapped_bytes(scratch) == 0


@pytest.mark.parametrize("n", [0, 2])
def test_a_small_array_is_in_memory(scratch: Path, n: int) -> None:
    array = mapped_arrays.allocate(n, np.int32)
    assert (array.shape, array.dtype, mapped_bytes(scratch)) == ((n,), np.int32, 0)


def test_a_disk_without_room_is_an_error_before_anything_is_written(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ContractError, match=r"expected room for 0.01 GiB, .* 1000000 values, got: No space left"):
        mapped_arrays.allocate(1_000_000, np.float64)
