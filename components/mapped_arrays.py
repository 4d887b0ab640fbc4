"""Arrays that need no memory of their own where they are large: in a file without a name, mapped into memory.

The operating system keeps in memory what is read often, and writes the rest to the disk when memory is short. The file
has no name, so it is gone when its array is, also after kill -9.
"""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from components.errors import ContractError

SCRATCH = Path("run")  # of the shop, where it exists; else the system's folder for temporary files
IN_MEMORY_BYTES = 64 * 2**20  # larger arrays are mapped


def allocate(n: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return an array (n,) of undefined or zero values: in memory, or above IN_MEMORY_BYTES in a mapped file.

    Raises ContractError where the disk has no room for it.
    """
    size = n * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(n, dtype)
    folder = SCRATCH if SCRATCH.is_dir() else Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # else a full disk ends the process at the first write
        except OSError as error:
            raise ContractError(
                f"{folder.resolve()}: expected room for {size / 2**30:.2f} GiB, an array of {n} values, got: "
                f"{error.strerror}; make room there, or shorten the training window"
            ) from error
        return np.frombuffer(mmap.mmap(file.fileno(), size), dtype)
