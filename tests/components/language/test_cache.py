"""Only new texts are encoded; cached vectors are returned unchanged."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from components.contracts import FloatArray
from components.errors import ContractError
from components.language import cache
from components.language.cache import encode_cached


class Counting:
    """An encoder that counts; its vectors are functions of the text alone."""

    digest, dim, precision = "ab" * 32, 4, "float32"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> FloatArray:
        self.seen += texts
        return np.array([[len(t), ord(t[0]), 1, 0] for t in texts], np.float32) / 1000


def test_known_texts_are_not_encoded_again(tmp_path: Path) -> None:
    encoder = Counting()
    first = encode_cached(encoder, ["tea", "pot", "tea", ""], tmp_path)  # type: ignore[arg-type]
    assert sorted(encoder.seen) == ["pot", "tea"]
    again = encode_cached(encoder, ["pot", "cup", "tea"], tmp_path)  # type: ignore[arg-type]
    assert encoder.seen[2:] == ["cup"]
    np.testing.assert_array_equal(again[[0, 2]], first[[1, 0]])
    assert not first[3].any()


def test_vectors_written_before_a_crash_are_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK", 2)

    class Dying(Counting):
        def encode(self, texts: Sequence[str]) -> FloatArray:
            if len(self.seen) >= 4:
                raise KeyboardInterrupt
            return super().encode(texts)

    texts = [f"text {i}" for i in range(8)]
    with pytest.raises(KeyboardInterrupt):
        encode_cached(Dying(), texts, tmp_path)  # type: ignore[arg-type]
    encoder = Counting()
    encode_cached(encoder, texts, tmp_path)  # type: ignore[arg-type]
    assert len(encoder.seen) == 4


def test_another_model_has_another_cache(tmp_path: Path) -> None:
    one, other = Counting(), Counting()
    other.digest = "cd" * 32
    encode_cached(one, ["tea"], tmp_path)  # type: ignore[arg-type]
    encode_cached(other, ["tea"], tmp_path)  # type: ignore[arg-type]
    assert other.seen == ["tea"]
    assert len(list(tmp_path.glob("*.db"))) == 2


def test_vectors_of_another_precision_are_apart(tmp_path: Path) -> None:
    encoder, other = Counting(), Counting()
    other.precision = "bfloat16"
    encode_cached(encoder, ["tea"], tmp_path)  # type: ignore[arg-type]
    encode_cached(other, ["tea"], tmp_path)  # type: ignore[arg-type]
    assert other.seen == ["tea"]
    assert len(list(tmp_path.glob("*.db"))) == 2


def test_two_writers_share_one_file(tmp_path: Path) -> None:
    encode_cached(Counting(), ["tea"], tmp_path)  # type: ignore[arg-type]
    file = next(tmp_path.glob("*.db"))
    with sqlite3.connect(file) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM vectors").fetchall()
        encode_cached(Counting(), ["pot"], tmp_path)  # type: ignore[arg-type]
    with sqlite3.connect(file) as reader:
        assert reader.execute("SELECT count(*) FROM vectors").fetchone() == (2,)


def test_a_vector_with_a_flipped_bit_is_computed_again(tmp_path: Path) -> None:
    right = encode_cached(Counting(), ["tea", "pot"], tmp_path)  # type: ignore[arg-type]
    (file,) = tmp_path.glob("*.db")
    with sqlite3.connect(file) as database:
        for key, vector in database.execute("SELECT key, vector FROM vectors LIMIT 1").fetchall():
            database.execute("UPDATE vectors SET vector = ? WHERE key = ?", (bytes([vector[0] ^ 1]) + vector[1:], key))
    database.close()
    for n_new in (1, 0):
        encoder = Counting()
        np.testing.assert_array_equal(encode_cached(encoder, ["tea", "pot"], tmp_path), right)  # type: ignore[arg-type]
        assert len(encoder.seen) == n_new


def test_a_file_that_is_no_cache_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / f"{Counting.digest[:32]}-float32.db").write_bytes(b"no database" * 100)
    with pytest.raises(ContractError, match=r"embedding cache .*remove it"):
        encode_cached(Counting(), ["tea"], tmp_path)  # type: ignore[arg-type]
