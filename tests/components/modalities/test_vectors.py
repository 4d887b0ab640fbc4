"""Vectors by modality: rows by item, missing ones, projection, cache."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.pictures import SCHEMA
from components.modalities import vectors as module
from components.modalities.vectors import Projection, modality_arrays

ITEMS = ["", "P1", "P2", "P3"]


class Counting:
    """An encoder whose vectors are functions of the bytes, and that counts."""

    digest, dim = "cd" * 32, 3
    seen: list[bytes] = []

    @classmethod
    def load(cls) -> "Counting":
        return cls()

    def encode(self, pngs: list[bytes]) -> np.ndarray:
        self.seen.extend(pngs)
        return np.array([[len(png), png[0], 7] for png in pngs], np.float32)


def write_pictures(snapshot: Path, rows: list[tuple[str, bytes]]) -> None:
    columns = [[item for item, _ in rows], ["d"] * len(rows), [png for _, png in rows]]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), snapshot / "pictures.parquet")


def write_given(snapshot: Path, rows: dict[str, list[float]]) -> None:
    (snapshot / "vectors").mkdir()
    table = pa.table({"item_id": list(rows), "vector": pa.array(list(rows.values()), pa.list_(pa.float32()))})
    pq.write_table(table, snapshot / "vectors/audio.parquet")


def test_a_snapshot_without_modalities_needs_no_encoder(tmp_path: Path) -> None:
    assert modality_arrays(tmp_path, ITEMS, 4, tmp_path) == {}


def test_pictures_and_given_vectors_get_the_rows_of_their_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PictureEncoder", Counting)
    write_pictures(tmp_path, [("P3", b"a"), ("P1", b"bb"), ("other", b"cccc"), ("P2", b"a")])
    write_given(tmp_path, {"P2": [1.0, 0.0], "P3": [0.0, 1.0], "gone": [5.0, 5.0]})
    arrays = modality_arrays(tmp_path, ITEMS, 2, tmp_path / "cache")
    assert sorted(arrays) == [
        f"{kind}.{name}" for kind in ("directions", "mean", "vectors") for name in ("audio", "picture")
    ]
    picture = arrays["vectors.picture"]
    assert picture.dtype == np.float16
    assert picture.shape == (4, 2)
    np.testing.assert_array_equal(picture[2], picture[3])  # one picture for two products
    assert picture[1] @ picture[2] < 0
    audio = arrays["vectors.audio"]
    assert not audio[[0, 1]].any()
    np.testing.assert_allclose(np.linalg.norm(audio[2:].astype(np.float32), axis=1), 1, rtol=1e-3)
    assert sorted(Counting.seen) == [b"a", b"bb", b"cccc"]
    again = modality_arrays(tmp_path, ITEMS, 2, tmp_path / "cache")
    assert len(Counting.seen) == 3, "known pictures were encoded again"
    assert all((again[name] == arrays[name]).all() for name in arrays)


def test_a_query_is_projected_as_the_items_were() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    projection = Projection.of(rows, 6)
    unit = projection.apply(rows)
    centred = rows - rows.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, centred @ centred.T, atol=1e-5)  # all directions: nothing is lost
    assert Projection.of(rows, 2).apply(rows).shape == (50, 2)
    assert not projection.apply(projection.mean[None]).any()
