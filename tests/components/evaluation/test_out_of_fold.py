"""The file of lists out of fold: what is written is read; damaged files and lists of another window are refused."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.evaluation.out_of_fold import FILE, OutOfFold, read_out_of_fold, write_out_of_fold


@pytest.fixture
def found() -> OutOfFold:
    return OutOfFold(np.array([0, 2, 4], np.int32), np.arange(1, 13, dtype=np.int32).reshape(3, 4))


def test_what_is_written_is_read_and_cut_to_k(found: OutOfFold, tmp_path: Path) -> None:
    write_out_of_fold(tmp_path, found)
    again = read_out_of_fold(tmp_path, 5, 3)
    assert again.user_row.tolist() == [0, 2, 4]
    assert again.lists.tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
    assert pq.read_table(tmp_path / FILE).column_names == ["user_row", "items"]


def test_the_same_lists_give_the_same_bytes(found: OutOfFold, tmp_path: Path) -> None:
    write_out_of_fold(tmp_path, found)
    first = (tmp_path / FILE).read_bytes()
    write_out_of_fold(tmp_path, found)
    assert (tmp_path / FILE).read_bytes() == first


@pytest.mark.parametrize(("n_users", "k"), [(4, 3), (5, 5)])
def test_users_of_another_window_or_short_lists_are_refused(
    found: OutOfFold, tmp_path: Path, n_users: int, k: int
) -> None:
    write_out_of_fold(tmp_path, found)
    with pytest.raises(ContractError, match=f"lists of 4 items.* expected {k} items.*below {n_users}.*stage `blend`"):
        read_out_of_fold(tmp_path, n_users, k)


def test_a_missing_or_damaged_file_is_an_error(found: OutOfFold, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"out_of_fold.parquet: cannot be read .*run the stage `blend` again"):
        read_out_of_fold(tmp_path, 5, 4)
    (tmp_path / FILE).write_bytes(b"PAR1")
    with pytest.raises(ContractError, match="cannot be read"):
        read_out_of_fold(tmp_path, 5, 4)
