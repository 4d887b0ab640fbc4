"""Smaller encoders: one vector per token, fewer layers with nearly the same vectors, int8; all load like any other."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.errors import ContractError
from components.language.backbone import read_tokenizer
from components.language.compress import SMOOTHING, distil, write_int8, write_static
from components.language.corpus import build_corpus
from components.language.encoder import Encoder, resolve_model
from components.language.token_vectors import BATCH
from components.params import CompressParams, LanguageParams, load
from tests.components.language.tiny import WORDS, tiny_bert, tiny_gpt2

OVERRIDES = ["language.batch_size=32", "language.pretrain.min_token_count=1", "language.compress.layers=1",
             "language.compress.steps=60", "language.compress.learning_rate=0.003"]  # fmt: skip


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


@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
def test_a_static_encoder_sums_the_centred_vectors_of_tokens_by_rarity(
    make: Callable[[Path], Path], language: LanguageParams, tmp_path: Path
) -> None:
    original = make(tmp_path / "original")
    shop = ["the red tea pot", "the blue shoe", "the the the"]
    write_static(original, build_corpus(shop, {}, 0.0, 0), language, 0, tmp_path / "static")
    encoder = Encoder.load(tmp_path / "static", language)
    tokenizer = read_tokenizer(original)
    weights = load_file(original / "model.safetensors")
    vectors = next(v for name, v in weights.items() if "word_embeddings" in name or "wte" in name).astype(np.float64)
    known = [token for text in shop for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    counts = np.bincount(known, minlength=len(vectors))
    rarity = SMOOTHING / (SMOOTHING + counts / counts.sum())
    for text in ("red boot", "the red shoe"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = (rarity[ids, None] * (vectors - vectors.mean(axis=0))[ids]).sum(axis=0)
        np.testing.assert_allclose(encoder.encode([text])[0], expected / np.linalg.norm(expected), atol=2e-3)


def test_a_static_encoder_adds_the_words_of_the_shop_and_leaves_out_what_it_does_not_know(
    language: LanguageParams, tmp_path: Path
) -> None:
    corpus = build_corpus(["红茶壶", "蓝鞋", "red shoe"], {}, 0.0, 0)
    metrics = write_static(tiny_bert(tmp_path / "original"), corpus, language, 0, tmp_path / "static")
    assert metrics["vocabulary/new"] == 5
    encoder = Encoder.load(tmp_path / "static", language)
    assert encoder.dim == 32
    rows = encoder.encode(["红茶壶", "茶壶", "蓝鞋", "绿 shoe", "shoe", "绿", ""])
    assert rows[0] @ rows[1] > 0.6 > rows[0] @ rows[2] + 0.3
    np.testing.assert_array_equal(rows[3], rows[4])  # a character that the shop's texts lack
    assert not rows[5:].any()
    np.testing.assert_allclose(np.linalg.norm(rows[:5], axis=1), 1, atol=1e-6)


def test_a_static_encoder_is_the_same_in_every_run_and_batch(language: LanguageParams, tmp_path: Path) -> None:
    corpus = build_corpus(["the red tea pot", "红茶壶"], {}, 0.0, 0)
    original = tiny_bert(tmp_path / "original")
    for name in ("one", "two"):
        write_static(original, corpus, language, 0, tmp_path / name)
    one, two = (Encoder.load(tmp_path / name, language) for name in ("one", "two"))
    assert one.digest == two.digest
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 30))) for _ in range(BATCH + 50)]
    alone = np.concatenate([one.encode([text]) for text in texts[:: BATCH // 8]])
    np.testing.assert_array_equal(one.encode(texts)[:: BATCH // 8], alone)
    long = " ".join(["red"] * language.max_tokens)
    np.testing.assert_array_equal(*one.encode([long, f"{long} blue"]))  # longer texts are cut
    one.save(tmp_path / "copy")  # as a bundle does
    assert Encoder.load(tmp_path / "copy", language).digest == one.digest


def test_a_static_encoder_keeps_the_meaning_of_words(language: LanguageParams, tmp_path: Path) -> None:
    write_static(resolve_model("minilm"), build_corpus(["garden hose"], {}, 0.0, 0), language, 0, tmp_path / "out")
    rows = Encoder.load(tmp_path / "out", language).encode(["ceramic teapot", "porcelain kettle", "running shoes"])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1


def test_a_static_encoder_is_not_adapted_or_made_smaller(language: LanguageParams, tmp_path: Path) -> None:
    corpus = build_corpus(["red tea"], {}, 0.0, 0)
    write_static(tiny_bert(tmp_path / "original"), corpus, language, 0, tmp_path / "static")
    with pytest.raises(ContractError, match=r"has one vector per token.*compress\.variants to \[\]"):
        write_static(tmp_path / "static", corpus, language, 0, tmp_path / "again")


def test_another_models_files_do_not_stay_in_a_folder(language: LanguageParams, tmp_path: Path) -> None:
    full = Encoder.load(tiny_bert(tmp_path / "original"), language)
    full.save(tmp_path / "out")
    write_static(full.folder, build_corpus(["red tea"], {}, 0.0, 0), language, 0, tmp_path / "static")
    static = Encoder.load(tmp_path / "static", language)
    static.save(tmp_path / "out")
    assert Encoder.load(tmp_path / "out", language).digest == static.digest


def test_params_are_bounded() -> None:
    with pytest.raises(ValueError, match="variants"):
        CompressParams.model_validate({"variants": ["int4"]})
