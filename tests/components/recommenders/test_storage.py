"""Model folders: round trips, and errors that name the damaged part."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from components.errors import ContractError
from components.params import ContentParams, PopularityParams
from components.recommenders.storage import Stored, matrix_arrays, read_settings, write_model

MATRIX = csr_matrix(np.array([[0, 0, 0], [0, 0, 2.5], [0, 1, 0]], np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    arrays = {"prior": np.array([0, 1, 2], np.float32), **matrix_arrays("weights", MATRIX)}
    write_model(tmp_path / "m", "content", 3, 2, {"params": ContentParams(recency=0.25, dims=8)}, arrays)
    return tmp_path / "m"


def test_settings_and_arrays_survive_a_round_trip(folder: Path) -> None:
    stored = Stored(folder, "content", 3)
    assert stored.n_items == 2
    assert stored.section("params", ContentParams) == ContentParams(recency=0.25, dims=8)
    assert stored.array("prior", (3,)).tolist() == [0, 1, 2]
    assert (stored.item_matrix("weights") != MATRIX).nnz == 0
    assert sorted(p.name for p in folder.iterdir()) == ["arrays.safetensors", "model.json"]


@given(st.permutations(range(4)))
def test_equal_matrices_give_equal_arrays(order: list[int]) -> None:
    """One row with unsorted columns, and column 2 twice."""
    columns, data = np.array([1, 2, 0, 2], np.int32)[order], np.array([1, 2, 4, 8], np.float32)[order]
    arrays = matrix_arrays("m", csr_matrix((data, columns, [0, 4]), shape=(1, 3)))
    assert {k: v.tolist() for k, v in arrays.items()} == {
        "m.data": [4, 1, 10],
        "m.indices": [0, 1, 2],
        "m.indptr": [0, 3],
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 3}', "\x00", '{"name": "content"'])
def test_settings_that_name_no_model_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ContractError, match=r"model\.json"):
        read_settings(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 3"),
        ({"name": "ease"}, "'ease'"),
        ({"n_items": 0}, "n_items"),
        ({"n_items": "2"}, "n_items"),
    ],
)
def test_a_model_of_another_kind_is_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    tree = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**tree, **change}))
    with pytest.raises(ContractError, match=message):
        Stored(folder, "content", 3)


def test_sections_and_arrays_are_checked_when_asked_for(folder: Path) -> None:
    stored = Stored(folder, "content", 3)
    with pytest.raises(ContractError, match="Popularity"):
        stored.section("params", PopularityParams)
    with pytest.raises(ContractError, match="no array 'other'"):
        stored.array("other", (3,))
    with pytest.raises(ContractError, match=r"float32 \(3,\); expected float32 \(4,\)"):
        stored.array("prior", (4,))
    with pytest.raises(ContractError, match="expected float16"):
        stored.array("prior", (3,), np.float16)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prior", np.array([0, np.nan, 1], np.float32)),
        ("weights.indices", np.array([2, 3], np.int32)),
        ("weights.indices", np.array([-1, 1], np.int32)),
        ("weights.indptr", np.array([0, 2, 1, 2], np.int64)),
        ("weights.indptr", np.array([0, 0, 1, 9], np.int64)),
        ("weights.data", np.array([1, 2, 3], np.float32)),
    ],
)
def test_invalid_arrays_are_refused(folder: Path, key: str, value: np.ndarray) -> None:
    arrays = load_file(folder / "arrays.safetensors")
    save_file({**arrays, key: value}, folder / "arrays.safetensors")
    stored = Stored(folder, "content", 3)
    with pytest.raises(ContractError):
        stored.array("prior", (3,)) if key == "prior" else stored.item_matrix("weights")
