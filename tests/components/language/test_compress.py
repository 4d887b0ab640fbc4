"""Smaller encoders: fewer layers with nearly the same vectors, and int8; both load like any other."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.errors import ContractError
from components.language.compress import distil, median_encode_ms, write_int8
from components.language.encoder import Encoder, resolve_model
from components.params import CompressParams, LanguageParams, load
from tests.components.language.tiny import WORDS, tiny_bert, tiny_gpt2

OVERRIDES = ["language.batch_size=32", "language.compress.layers=1", "language.compress.steps=60",
             "language.compress.learning_rate=0.003"]  # fmt: skip


@pytest.fixture(scope="module")
def language() -> LanguageParams:
    return load(Path(__file__).parents[3] / "params.yaml", overrides=OVERRIDES).language


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(0)
    return ["", *(" ".join(rng.choice(WORDS, 4)) for _ in range(200))]


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum(axis=1)[1:].mean())


def loud(folder: Path) -> Path:
    """Scale up the layers of a random model, which otherwise hardly change their input."""
    weights = load_file(folder / "model.safetensors")
    for name, values in weights.items():
        if values.ndim == 2 and "embed" not in name and "wte" not in name and "wpe" not in name:
            weights[name] = 10 * values
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_a_student_of_fewer_layers_learns_the_teachers_vectors(
    make: object, language: LanguageParams, texts: list[str], tmp_path: Path
) -> None:
    teacher = Encoder.load(loud(make(tmp_path / "teacher", layers=3)), language)  # type: ignore[operator]
    wanted = teacher.encode(texts)
    params = language.compress
    losses = distil(teacher.folder, texts, wanted, params, language, 0, tmp_path / "student")
    none = params.model_copy(update={"steps": 1, "learning_rate": 1e-9})
    distil(teacher.folder, texts, wanted, none, language, 0, tmp_path / "untaught")
    student, untaught = (Encoder.load(tmp_path / name, language) for name in ("student", "untaught"))
    taught = likeness(student.encode(texts), wanted)
    assert taught > likeness(untaught.encode(texts), wanted) + 0.05
    assert taught > 0.9
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("student", "teacher")]
    assert sizes[0] < sizes[1]
    again = tmp_path / "again"
    distil(teacher.folder, texts, wanted, params, language, 0, again)
    assert Encoder.load(again, language).digest == student.digest


def test_more_layers_than_the_model_has_are_refused(language: LanguageParams, texts: list[str], tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "teacher")
    with pytest.raises(ContractError, match=r"language\.compress\.layers is 1, the model has 1"):
        distil(folder, texts, np.ones((201, 32), np.float32), language.compress, language, 0, tmp_path / "out")


def test_int8_gives_nearly_the_same_vectors_and_is_another_encoder(language: LanguageParams, tmp_path: Path) -> None:
    full = Encoder.load(resolve_model("minilm"), language)
    small = Encoder.load(write_int8(full.folder, language, tmp_path / "int8"), language)
    texts = ["", "ceramic tea pot", "kettle for tea", "running shoes", "复古红色茶壶"]
    rows = small.encode(texts)
    assert 0.9 < likeness(rows, full.encode(texts)) < 0.9999
    assert rows[1] @ rows[2] > rows[1] @ rows[3] + 0.2
    assert not rows[0].any()
    assert small.digest != full.digest
    assert json.loads((tmp_path / "int8/config.json").read_text())["carousel_int8"] is True
    small.save(tmp_path / "copy")  # as a bundle does
    np.testing.assert_array_equal(Encoder.load(tmp_path / "copy", language).encode(texts), rows)


def test_the_encoding_time_of_one_text_is_measured(language: LanguageParams, tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path), language)
    assert 0 < median_encode_ms(encoder, ["red tea", "blue shoe"]) < 1000


def test_params_are_bounded() -> None:
    with pytest.raises(ValueError, match="variants"):
        CompressParams.model_validate({"variants": ["int4"]})
