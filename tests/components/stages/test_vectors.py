"""The products' vectors: a row per product in the order of the split, stamped with catalogue and language model."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from components.data.tables import read_catalogue
from components.stages.vectors import write_vectors
from tests.components.stages.support import World, write_split


class CountingEncoder:
    """Encodes a text as its length and its first character; counts the texts."""

    digest, precision, dim = "d" * 64, "float32", 2
    language = SimpleNamespace(max_tokens=8)

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.n_encoded += len(texts)
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def test_vectors_are_those_of_the_products_and_say_where_they_come_from(tmp_path: Path, world: World) -> None:
    write_split(tmp_path, world)
    split, out, encoder = tmp_path / "data/split", tmp_path / "features", CountingEncoder()
    vectors = write_vectors(encoder, "minilm", tmp_path, split, out, tmp_path / "cache", 2)  # type: ignore[arg-type]
    texts = read_catalogue(split).text
    assert vectors.shape == (len(texts), 2)
    assert vectors[0].tolist() == [0, 0]  # padding
    assert vectors[3].tolist() == [len(texts[3]), ord(texts[3][0])]
    np.testing.assert_array_equal(load_file(out / "items.safetensors")["embedding"], vectors.astype(np.float16))
    about = json.loads((out / "encoder.json").read_bytes())
    assert about == {"model": "minilm", "digest": "d" * 64, "dim": 2, "max_tokens": 8}
    with safe_open(out / "items.safetensors", "np") as file:
        assert file.metadata()["encoder"] == "d" * 64


def test_texts_in_the_cache_are_not_encoded_again(tmp_path: Path, world: World) -> None:
    write_split(tmp_path, world)
    encoder = CountingEncoder()
    folders = tmp_path, tmp_path / "data/split", tmp_path / "features", tmp_path / "cache"
    first = write_vectors(encoder, "minilm", *folders, 2)  # type: ignore[arg-type]
    n_encoded = encoder.n_encoded
    again = write_vectors(encoder, "minilm", *folders, 2)  # type: ignore[arg-type]
    assert encoder.n_encoded == n_encoded > 0
    np.testing.assert_array_equal(first, again)
