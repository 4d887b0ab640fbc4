"""The files of `split` are read into the types that models use."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components import mapped_arrays
from components.contracts import WINDOWS
from components.data import tables
from components.data.split import make_split
from components.errors import ContractError
from tests.components.data.small import load

SPLIT = load(split__validation_days=10, split__test_days=10, split__max_history=1).split


@pytest.fixture
def split(snapshot: Path, tmp_path: Path) -> Path:
    (tmp_path / "split").mkdir()
    make_split(snapshot, tmp_path / "split", SPLIT, datetime(2026, 1, 30, tzinfo=UTC), 1)
    return tmp_path / "split"


def test_several_windows_are_sorted_by_user_and_time(split: Path) -> None:
    both = tables.read_interactions(split, ("train", "validation"))
    order = np.lexsort((both.timestamp, both.user_idx))
    np.testing.assert_array_equal(order, np.arange(len(both)))
    assert both.now == tables.read_info(split).validation_end
    assert len(both) == len(tables.read_interactions(split)) + pq.read_metadata(split / "validation.parquet").num_rows


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_batches_and_mapped_arrays_change_no_row(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(tables, "BATCH", batch)
    monkeypatch.setattr(mapped_arrays, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(mapped_arrays, "SCRATCH", tmp_path)
    found = tables.read_interactions(split, WINDOWS)
    files = [pq.read_table(split / f"{window}.parquet") for window in WINDOWS]
    assert min(map(len, files)) > 1
    expected = pa.concat_tables(files).to_pandas().sort_values(["user_idx", "timestamp"], kind="stable")
    for name in ("user_idx", "item_idx", "timestamp", "event", "weight"):
        np.testing.assert_array_equal(getattr(found, name), expected[name])


def test_histories_keep_the_newest_events(split: Path) -> None:
    users = tables.read_users(split, "test")
    assert [users.history.row(i).tolist() for i in range(len(users))] == [[2], [4]]  # split.max_history is 1


@pytest.mark.parametrize("window", ["validation", "test"])
def test_counts_are_those_of_what_is_read(split: Path, window: str) -> None:
    file = split / f"{window}.parquet"
    assert tables.count_users(file) == len(tables.read_users(split, window)) > 0
    assert tables.count_events(file) == len(tables.read_interactions(split, (window,)))


def test_the_catalogue_has_a_padding_row(split: Path) -> None:
    catalogue = tables.read_catalogue(split)
    assert catalogue.item_id == ["", "a", "b", "c", "d"]
    assert catalogue.text[0] == ""
    assert len(catalogue) == 4
    assert np.isnan(catalogue.price[0])


def test_embeddings_of_another_catalogue_are_refused(split: Path, tmp_path: Path) -> None:
    save_file({"embedding": np.zeros((3, 2), np.float16)}, tmp_path / "items.safetensors")
    with pytest.raises(ContractError, match=r"expected 5 embeddings, .* got 3"):
        tables.read_catalogue(split, tmp_path)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["Lumora red pan", "Lumora", "Kitchen", ""], "Lumora red pan. Kitchen"),
        (["", "Lumora", "", "A pan"], "Lumora. A pan"),
        (["露漫红色平底锅", "露漫", "厨房 > 平底锅", ""], "露漫红色平底锅. 厨房 > 平底锅"),
        (["", "", "", ""], ""),
    ],
)
def test_a_text_repeats_no_part(parts: list[str], text: str) -> None:
    assert tables.join_without_repeats(parts) == text
