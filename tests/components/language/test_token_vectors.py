"""Token vectors: the sum of known tokens, at most max_tokens of them, as unit rows; nothing known is a zero row."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from components.language import token_vectors
from components.language.token_vectors import VECTORS, TokenVectors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "red": 1, "tea": 2, "pot": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    save_file(
        {VECTORS: np.array([[0, 0], [3, 0], [0, 4], [-3, 0]], np.float16)},
        tmp_path / "model.safetensors",
    )
    return tmp_path


def test_a_text_is_the_unit_sum_of_its_tokens(folder: Path) -> None:
    rows = TokenVectors(folder, 48).encode(["red tea", "tea tea", "green", "", "red pot"])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 1], [0, 0], [0, 0], [0, 0]])


def test_longer_texts_are_truncated(folder: Path) -> None:
    np.testing.assert_allclose(TokenVectors(folder, 1).encode(["red tea tea"]), [[1, 0]])


def test_a_row_does_not_depend_on_its_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["red tea", "", "tea pot", "unknown", "red"]
    whole = TokenVectors(folder, 48).encode(texts)
    monkeypatch.setattr(token_vectors, "BATCH", 2)
    np.testing.assert_array_equal(TokenVectors(folder, 48).encode(texts), whole)
