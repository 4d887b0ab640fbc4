"""Profiles as matrices in the order of the split."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ContractError
from components.profiles.definitions import Column
from components.profiles.features import ProfileInfo, Scaling, fit_scaling, read_features

COLUMNS = [Column("n", "events", nullable=False, log=True), Column("level", "[0, 1]", nullable=True, log=False)]
NAMES = ("n", "level", "level_missing", "known")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    profiles, split = tmp_path / "profiles", tmp_path / "split"
    profiles.mkdir()
    split.mkdir()
    for kind, key in (("users", "user_id"), ("items", "item_id")):
        columns = {key: ["a", "c", "外"], "n": [0, 3, 0], "level": [0.25, None, 0.75]}
        pq.write_table(pa.table(columns), profiles / f"{kind}.parquet", write_page_checksum=True)
        pq.write_table(pa.table({key: ["外", "b", "a"]}), split / f"{kind}.parquet", write_page_checksum=True)
    scaling = fit_scaling(profiles / "users.parquet", COLUMNS)
    info = ProfileInfo(cut=1, users=scaling, items=scaling)
    (profiles / "profiles.json").write_text(info.model_dump_json())
    return profiles, split


def test_rows_follow_the_index_of_the_split(folders: tuple[Path, Path]) -> None:
    features = read_features(*folders)
    assert features.user_columns == features.item_columns == NAMES
    low = -1 / np.sqrt(2)  # log(1 + n) is 0, log 4, 0; level is .25, null, .75: one deviation from .5
    wanted = [[0, 0, 1, 0], [low, 1, 0, 1], [0, 0, 1, 0], [low, -1, 0, 1]]
    np.testing.assert_allclose(features.users, wanted, atol=1e-6)
    np.testing.assert_array_equal(features.items, features.users)
    assert features.users.dtype == np.float32


def test_a_live_profile_is_the_same_row(folders: tuple[Path, Path]) -> None:
    scaling = fit_scaling(folders[0] / "users.parquet", COLUMNS)
    features = read_features(*folders)
    np.testing.assert_array_equal(scaling.vector({"n": 0, "level": 0.25, "other": 1}), features.users[3])
    np.testing.assert_array_equal(scaling.vector(None), features.users[0])


def test_negative_values_keep_their_sign_and_constant_columns_do_not_divide_by_zero() -> None:
    scaling = Scaling(columns=["value"], nullable=[True], log=[True], mean=[0.0], std=[1.0])
    np.testing.assert_allclose(scaling.vector({"value": -3.0}), [-np.log(4), 0, 1], rtol=1e-6)


def test_a_column_without_spread_or_rows_is_zero(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [5, 5], "level": pa.nulls(2, pa.float64())}), tmp_path / "flat.parquet")
    scaling = fit_scaling(tmp_path / "flat.parquet", COLUMNS)
    assert (scaling.std, scaling.mean[1]) == ([1.0, 1.0], 0.0)
    np.testing.assert_array_equal(scaling.vector({"n": 5}), [0, 0, 1, 1])


def test_missing_profiles_are_an_error_that_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run the stage `profile` first"):
        read_features(tmp_path, tmp_path)
