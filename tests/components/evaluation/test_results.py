"""Rows only for users with targets, paired across models, without missing values."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import Users
from components.errors import ContractError
from components.evaluation.metrics import popularity_share
from components.evaluation.results import (
    check_finite,
    event_rows,
    list_metrics,
    means,
    read_values,
    slice_row,
    user_rows,
    user_schema,
)
from components.evaluation.slices import NEXT_EVENT
from tests.support import ragged

LISTS = np.array([[1, 2], [3, 4], [5, 6]], np.int32)
TARGETS = ragged([[1, 9], [9], [6]])
MASKS = {"all": np.ones(4, bool), "item:cold": np.array([False, True, True, False])}


def test_rows_only_for_users_with_targets_in_the_slice() -> None:
    everyone, cold = user_rows("ease", LISTS, TARGETS, MASKS, [1, 2])
    assert everyone.schema == user_schema([1, 2])
    assert everyone["user_row"].to_pylist() == [0, 1, 2]
    assert everyone["recall_at_2"].to_pylist() == [0.5, 0, 1]
    assert everyone["hit_rate_at_1"].to_pylist() == [1, 0, 0]
    assert cold["user_row"].to_pylist() == [0, 1]
    assert cold["recall_at_2"].to_pylist() == [0, 0]  # item 9 is in no list
    assert set(cold["model"].to_pylist()) == {"ease"}
    row = slice_row(everyone)
    assert (row.slice, row.model, row.n_users) == ("all", "ease", 3)
    assert row.metrics["recall_at_2"] == pytest.approx(0.5)


def test_a_user_counts_once_whatever_the_number_of_events() -> None:
    events = Users(np.array([7, 7, 9], np.int32), ragged([[], [1], []]), 10**12, ragged([[1], [9], [6]]))
    everyone = Users(np.array([1, 3, 7, 8, 9], np.int32), ragged([[]] * 5), 10**12)
    table = event_rows("ease", LISTS, events, everyone, [1, 2])
    assert table.schema == user_schema([1, 2])
    assert table["user_row"].to_pylist() == [2, 4]
    assert table["recall_at_2"].to_pylist() == [0.5, 1]  # of user 7, one of two targets is listed
    assert set(table["slice"].to_pylist()) == {NEXT_EVENT}
    assert slice_row(table).metrics["hit_rate_at_2"] == pytest.approx(0.75)


def test_list_metrics_name_coverage_and_novelty_at_each_k() -> None:
    popularity = popularity_share(np.array([1, 1, 2], np.int32), 9)
    found = list_metrics(LISTS, 9, popularity, [1, 2])
    assert set(found) == {"coverage_at_1", "coverage_at_2", "novelty_at_1", "novelty_at_2"}
    assert found["coverage_at_2"] == pytest.approx(6 / 9)
    assert list_metrics(np.tile(LISTS[:1], (3, 1)), 9, popularity, [2])["coverage_at_2"] == pytest.approx(2 / 9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_metric_is_an_error_by_name(bad: float) -> None:
    with pytest.raises(ContractError, match="ease on test: ndcg_at_5 not finite"):
        check_finite({"ndcg_at_5": bad, "recall_at_5": 0.0}, "ease on test")
    table = next(user_rows("ease", LISTS, TARGETS, MASKS, [1]))
    holed = table.set_column(3, "ndcg_at_1", pa.array([0, bad, 1], pa.float32()))
    with pytest.raises(ContractError, match="ease on slice all: ndcg_at_1"):
        slice_row(holed)
    assert np.isnan(means({"x": np.array([1, np.nan], np.float32)})["x"])


def test_values_are_paired_across_models(tmp_path: Path) -> None:
    file = tmp_path / "per_user.parquet"
    write(file, {"ease": LISTS, "champion": LISTS[:, ::-1]})
    values = read_values(file, "ndcg_at_1", "item:cold")
    assert list(values) == ["ease", "champion"]
    assert {len(v) for v in values.values()} == {2}
    assert read_values(file, "hit_rate_at_1", "all")["champion"].tolist() == [0, 0, 1]


def test_models_measured_on_different_users_are_not_compared(tmp_path: Path) -> None:
    file = tmp_path / "per_user.parquet"
    write(file, {"ease": LISTS, "champion": LISTS}, drop_last_of="champion")
    with pytest.raises(ContractError, match="other users"):
        read_values(file, "ndcg_at_1", "all")


def write(file: Path, lists: dict[str, np.ndarray], drop_last_of: str = "") -> None:
    with pq.ParquetWriter(file, user_schema([1, 2]), write_page_checksum=True) as writer:
        for model, items in lists.items():
            for table in user_rows(model, items, TARGETS, MASKS, [1, 2]):
                writer.write_table(table[:-1] if model == drop_last_of else table)


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "per_user.parquet"
    rng = np.random.default_rng(0)
    lists = np.tile(rng.permutation(np.arange(1, 3, dtype=np.int32)), (3, 1))
    write(file, {"ease": LISTS, "champion": lists})
    good, bytes_ = read_values(file, "ndcg_at_1", "all"), file.read_bytes()
    end_of_pages = len(bytes_) - int.from_bytes(bytes_[-8:-4], "little") - 8
    refused = 0
    for at in range(4, end_of_pages, 7):
        file.write_bytes(bytes_[:at] + bytes([bytes_[at] ^ 0x10]) + bytes_[at + 1 :])
        try:
            values = read_values(file, "ndcg_at_1", "all")
        except ContractError:
            refused += 1
        else:
            assert all(np.array_equal(values[name], good[name]) for name in good)
    assert refused > 10
    with pytest.raises(ContractError, match="cannot be read"):
        read_values(tmp_path / "none.parquet", "ndcg_at_1", "all")
