"""The curves of a training that goes on: written whole, read with the digits of the final files."""

from pathlib import Path

import pytest

from components.curves import FILE, read_curves, round_values, write_curves


def test_curves_are_replaced_and_read_rounded(tmp_path: Path) -> None:
    folder = tmp_path / "board"  # made by the first call
    write_curves(folder, {"train/loss": [1.0]})
    write_curves(folder, {"train/loss": [1.0, 0.123456789], "validation/ndcg_at_10": [0.5, float("nan")]})
    assert read_curves(folder) == {"train/loss": [1.0, 0.123457], "validation/ndcg_at_10": [0.5]}
    assert [file.name for file in folder.iterdir()] == [FILE]
    with pytest.raises(FileNotFoundError):
        read_curves(tmp_path)


def test_values_that_are_not_finite_are_left_out() -> None:
    assert round_values([1 / 3, float("inf"), float("nan"), 2e-9]) == [0.333333, 2e-9]
