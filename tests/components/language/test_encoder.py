"""The encoder with the packaged model: similarity, unit rows, independence of the batch."""

from pathlib import Path

import numpy as np
import pytest

from components import params
from components.errors import ContractError
from components.language.encoder import Encoder, batches_by_length, resolve_model

LANGUAGE = params.load(Path(__file__).parents[3] / "params.yaml").language


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(resolve_model("minilm"), LANGUAGE)


def test_rows_have_unit_length_and_empty_texts_are_zero(encoder: Encoder) -> None:
    rows = encoder.encode(["red tea pot", "", "  \u200b ", "茶壶"])
    np.testing.assert_allclose(np.linalg.norm(rows[[0, 3]], axis=1), 1.0, atol=1e-5)
    assert not rows[1].any()
    assert not rows[2].any()
    assert rows.shape == (4, encoder.dim)


def test_similar_texts_have_similar_vectors(encoder: Encoder) -> None:
    pot, kettle, shoes = encoder.encode(["ceramic tea pot", "kettle for tea", "running shoes"])
    assert pot @ kettle > pot @ shoes + 0.2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_does_not_depend_on_the_texts_beside_it(precision: str) -> None:
    encoder = Encoder.load(resolve_model("minilm"), LANGUAGE.model_copy(update={"precision": precision}))
    texts = [f"thing number {i} " + "long " * (i % 7) for i in range(40)]
    together = encoder.encode(texts)
    tolerance = {"float32": 1e-6, "bfloat16": 0}[precision]
    np.testing.assert_allclose(encoder.encode(texts[:1])[0], together[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], together, rtol=0, atol=tolerance)


def test_bfloat16_gives_nearly_the_vectors_of_float32() -> None:
    texts = ["Vintage red tea pot", "复古红色茶壶", "Running shoes, size 42, for women", "tea"]
    exact, fast = (
        Encoder.load(resolve_model("minilm"), LANGUAGE.model_copy(update={"precision": precision})).encode(texts)
        for precision in ("float32", "bfloat16")
    )
    assert (np.sum(exact * fast, axis=1) > 0.9995).all()
    assert not np.array_equal(exact, fast)


def test_batches_hold_rows_of_one_length() -> None:
    tokens = {4: [1, 2], 0: [1, 2, 3], 2: [7, 8], 9: [5, 6], 5: [1]}
    assert batches_by_length(tokens, 2) == [[5], [4, 2], [9], [0]]
    assert batches_by_length({}, 2) == []


def test_saved_files_load_again_and_hold_no_code(encoder: Encoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} <= {".json", ".safetensors", ".txt"}
    again = Encoder.load(tmp_path, LANGUAGE)
    assert again.digest == encoder.digest
    np.testing.assert_array_equal(again.encode(["tea"]), encoder.encode(["tea"]))


def test_a_folder_without_weights_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ContractError, match=r"has no .*model\.safetensors"):
        resolve_model(str(tmp_path))


@pytest.mark.slow
def test_equal_to_sentence_transformers(encoder: Encoder) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    texts = ["Vintage red tea pot", "复古红色茶壶", "Running shoes, size 42"]
    theirs = sentence_transformers.SentenceTransformer(str(encoder.folder), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    assert (np.sum(theirs * encoder.encode(texts), axis=1) > 0.9999).all()
