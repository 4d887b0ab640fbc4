"""Vectors that the shop has computed: widths, rules, counts."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.given_vectors import VectorCounts, take_vectors
from components.errors import ContractError, QualityError
from components.params import GivenVectorsParams

ITEMS = {"P1", "P2", "P3", "P4"}


def write(path: Path, ids: list[object], rows: list[object], kind: pa.DataType | None = None) -> None:
    pq.write_table(pa.table({"sku": pa.array(ids), "sound": pa.array(rows, kind or pa.list_(pa.float64()))}), path)


def take(tmp_path: Path, max_bad_share: float = 1.0) -> VectorCounts:
    source = GivenVectorsParams(path="sound*.parquet", id="sku", column="sound")
    return take_vectors("audio", source, ITEMS, tmp_path, tmp_path / "snapshot", tmp_path / "quarantine", max_bad_share)


def test_each_row_is_kept_quarantined_or_of_an_unknown_product(tmp_path: Path) -> None:
    ids = ["P1", "P2", "P3", "P3", "gone", None, "P4", "P4", "P4", "P4"]
    rows = [[1, 2], [3, 4, 5], [0, 1], [5, 6], [1, 1], [1, 1], [0, 0], [float("nan"), 1], [None, 1], None]
    write(tmp_path / "sound1.parquet", ids, rows)
    assert take(tmp_path) == VectorCounts(read=10, valid=2, quarantined=7, unknown=1)
    kept = pq.read_table(tmp_path / "snapshot/vectors/audio.parquet", page_checksum_verification=True).to_pydict()
    assert kept == {"item_id": ["P1", "P3"], "vector": [[1, 2], [5, 6]]}  # of two rows of a product, the last one
    rules = sorted(pq.read_table(tmp_path / "quarantine/vectors-audio.parquet")["rule"].to_pylist())
    table = pq.read_table(tmp_path / "quarantine/vectors-audio.parquet").to_pylist()
    assert {(row["file"], row["row"]) for row in table} == {("sound1.parquet", n) for n in (2, 3, 6, 7, 8, 9, 10)}
    assert rules == [
        "a later row has the same id", *["a number that is null, NaN or infinite"] * 2,
        "all numbers are 0", "not 1 to 16384 numbers", "not 2 numbers, as most rows have",
        "not an id: it is blank, or a word that stands for no value, such as NULL or nan",
    ]  # fmt: skip
    with pytest.raises(QualityError, match=r"7 of 10 rows broke a rule \(data.max_bad_share 0.5\)"):
        take(tmp_path, 0.5)


def test_ids_are_cleaned_as_ingest_cleans_them_and_several_files_are_one_source(tmp_path: Path) -> None:
    write(tmp_path / "sound1.parquet", [" P1 "], [np.ones(3).tolist()], pa.list_(pa.float32(), 3))
    write(tmp_path / "sound2.parquet", ["P2"], [np.ones(3).tolist()], pa.large_list(pa.float64()))
    assert take(tmp_path).valid == 2


def test_numbers_as_ids_are_those_of_the_products(tmp_path: Path) -> None:
    write(tmp_path / "sound.parquet", [1.0, 2.0], [[1.0], [2.0]])
    source = GivenVectorsParams(path="sound.parquet", id="sku", column="sound")
    assert take_vectors("audio", source, {"1", "2"}, tmp_path, tmp_path, tmp_path, 0.0).valid == 2


def test_files_without_the_columns_and_other_files_are_errors(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sku": ["P1"], "other": [[1.0]]}), tmp_path / "sound.parquet")
    with pytest.raises(ContractError, match=r"data\.vectors\.audio: sound\.parquet has no column \['sound'\]"):
        take(tmp_path)
    write(tmp_path / "sound.parquet", ["P1"], ["1,2"], pa.string())
    with pytest.raises(ContractError, match="expected lists of numbers in sound, got string"):
        take(tmp_path)
    write(tmp_path / "sound.parquet", ["P1"], [["a"]], pa.list_(pa.string()))
    with pytest.raises(ContractError, match="expected lists of numbers in sound, got list<"):
        take(tmp_path)
    (tmp_path / "sound.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ContractError, match="expected a Parquet file"):
        take(tmp_path)


def test_a_file_of_other_products_alone_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "sound.parquet", ["X1", "X2"], [[1.0], [2.0]])
    with pytest.raises(QualityError, match="2 are of unknown products, 0 are left"):
        take(tmp_path)


def test_a_path_without_files_names_its_parameter(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"data\.vectors\.audio: path sound\*\.parquet: expected files"):
        take(tmp_path)
