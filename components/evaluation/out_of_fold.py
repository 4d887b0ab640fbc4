"""Lists of validation users by weights that were learned without them: what a blend is worth on its own window."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import IntArray
from components.errors import ContractError

FILE = "out_of_fold.parquet"


@dataclass(frozen=True)
class OutOfFold:
    """The lists of some users with targets, best items first; a row each, or a row for each target event."""

    user_row: IntArray  # (n,) of each list among the rows of the validation window, ascending
    lists: IntArray  # (n, k)


def write_out_of_fold(folder: Path, found: OutOfFold) -> None:
    """Write folder/out_of_fold.parquet: user_row (no id) and items, a list of k."""
    items = pa.FixedSizeListArray.from_arrays(pa.array(found.lists.ravel(), pa.int32()), found.lists.shape[1])
    table = pa.table({"user_row": pa.array(found.user_row, pa.int32()), "items": items})
    pq.write_table(table, folder / FILE, compression="zstd", write_page_checksum=True)


def read_out_of_fold(folder: Path, n_users: int, k: int) -> OutOfFold:
    """Return what `write_out_of_fold` wrote, lists cut to k.

    Raises ContractError where the file is missing or damaged, is of more than n_users, or has shorter lists.
    """
    path = folder / FILE
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        user_row = table["user_row"].to_numpy().astype(np.int32)
        lists = np.stack(table["items"].to_numpy()).astype(np.int32)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ContractError(f"{path}: cannot be read ({error}); run the stage `blend` again") from error
    if lists.shape[1] < k or user_row.max() >= n_users or (np.diff(user_row) <= 0).any():
        raise ContractError(
            f"{path}: lists of {lists.shape[1]} items for users up to row {user_row.max()}; expected {k} items and "
            f"rows below {n_users}, ascending: run the stage `blend` again"
        )
    return OutOfFold(user_row, lists[:, :k])
