"""The picture encoder: known weights, reproducible, and what it sees."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.data.pictures import to_png
from components.data.shop_pictures import draw
from components.errors import ContractError
from components.modalities import encoder as module
from components.modalities.encoder import DIM, PictureEncoder, read_pixels


def drawn(pattern: int, number: int) -> bytes:
    return to_png(Image.fromarray(draw(pattern, number % 10, number % 7, [3, pattern, number])))


@pytest.fixture(scope="module")
def encoder() -> PictureEncoder:
    return PictureEncoder.load()


def test_pictures_of_one_pattern_are_near_each_other(encoder: PictureEncoder) -> None:
    patterns = np.repeat(np.arange(6), 8)
    vectors = encoder.encode([drawn(int(p), n) for n, p in enumerate(patterns)])
    assert vectors.shape == (48, DIM)
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    assert (patterns[cosines.argmax(axis=1)] == patterns).mean() > 0.7  # by chance 1/6


def test_the_order_of_pictures_changes_no_vector(encoder: PictureEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    pngs = [drawn(n % 6, n) for n in range(5)]
    whole = encoder.encode(pngs)
    monkeypatch.setattr(module, "BATCH", 2)
    np.testing.assert_allclose(encoder.encode(pngs[::-1])[::-1], whole, rtol=1e-3, atol=1e-4)
    assert encoder.encode([]).shape == (0, DIM)


def test_pixels_are_read_as_rgb() -> None:
    assert read_pixels(drawn(0, 1)).shape == (128, 128, 3)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DIGEST", "0" * 64)
    with pytest.raises(ContractError, match="expected weights with digest 0000"):
        PictureEncoder.load()


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ContractError, match=r"efficientnet_lite_pytorch is missing; install the extra `pictures`"):
        PictureEncoder.load()
