"""Searches by a picture: what is found, with and without words, and what is refused."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from components.contracts import BoolArray
from components.data.pictures import to_png
from components.data.shop_pictures import draw
from components.modalities.encoder import PictureEncoder
from components.modalities.vectors import Projection
from components.params import Params
from components.release.bundle import open_bundle
from components.serving.inference.errors import MissingPartError, PictureError
from components.serving.inference.picture_queries import PictureQueries
from components.serving.inference.search_service import SearchService

ITEMS = range(1, 19)  # of the bundle's 20; the others have no picture


def drawn(pattern: int, number: int) -> Image.Image:
    return Image.fromarray(draw(pattern, number % 10, number % 7, [11, pattern, number]))


def sent(picture: Image.Image, kind: str = "PNG") -> str:
    out = io.BytesIO()
    picture.save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


@pytest.fixture(scope="module")
def encoder() -> PictureEncoder:
    return PictureEncoder.load()


@pytest.fixture
def search_service(bundle: Path, params: Params, encoder: PictureEncoder, tmp_path: Path) -> SearchService:
    """Item i has the pattern i % 6."""
    service = SearchService(open_bundle(bundle), params.language)
    raw = encoder.encode([to_png(drawn(item % 6, item)) for item in ITEMS])
    projection = Projection.of(raw, 16)
    vectors = np.zeros((21, 16), np.float32)
    vectors[list(ITEMS)] = projection.apply(raw)
    save_file(
        {"mean.picture": projection.mean, "directions.picture": projection.directions}, tmp_path / "items.safetensors"
    )
    service.bundle.__dict__["catalogue"] = replace(service.bundle.catalogue, vectors={"picture": vectors})
    service.__dict__["pictures"] = PictureQueries.of(tmp_path)
    return service


def found(service: SearchService, image: str, query: str = "", k: int = 3, mask: BoolArray | None = None) -> list[int]:
    return [int(item.item_id.split("-")[1]) for item in service.search_picture(image, query, k, mask).items]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_products_that_look_alike_come_first(search_service: SearchService, kind: str) -> None:
    assert found(search_service, sent(drawn(3, 9), kind))[0] == 9  # its own picture
    queries = [(pattern, number) for pattern in range(6) for number in range(40, 44)]
    first = [found(search_service, sent(drawn(*query), kind), k=1)[0] % 6 for query in queries]
    assert np.mean([own == pattern for own, (pattern, _) in zip(first, queries, strict=True)]) > 0.5  # by chance 1/6


def test_url_safe_base64_and_data_uris_are_the_same_picture(search_service: SearchService) -> None:
    plain = sent(drawn(3, 2))
    assert set("+/") & set(plain)
    safe = plain.translate(str.maketrans("+/", "-_"))
    for image in (safe, safe.rstrip("="), f"data:image/png;base64,{plain}", f" {plain}\n"):
        assert found(search_service, image) == found(search_service, plain)


def test_products_without_a_picture_and_those_of_the_filter_are_not_listed(search_service: SearchService) -> None:
    everything = found(search_service, sent(drawn(1, 40)), k=50)
    assert sorted(everything) == list(ITEMS)
    mask = np.zeros(21, bool)
    mask[[4, 5, 20]] = True
    assert sorted(found(search_service, sent(drawn(1, 40)), mask=mask)) == [4, 5]


def test_with_a_query_only_what_it_finds_is_listed(search_service: SearchService) -> None:
    assert {item % 2 for item in found(search_service, sent(drawn(2, 40)), "red", 50)} == {1}  # odd items are red


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("%%%", "not base64"),
        ("图片", "not base64"),
        ("data:image/png,abc", "not base64, nor a data URI"),
        (base64.b64encode(b"<svg/>").decode(), "not a picture of"),
        (sent(Image.new("RGB", (3000, 2000))), "more than 4000000 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(search_service: SearchService, image: str, rule: str) -> None:
    with pytest.raises(PictureError, match=rule):
        search_service.search_picture(image, "", 3, None)


def test_a_bundle_without_pictures_says_so(bundle: Path, params: Params) -> None:
    opened = open_bundle(bundle)
    with pytest.raises(MissingPartError, match=r"knows no pictures of products; set data\.pictures"):
        SearchService(opened, params.language).search_picture("", "", 3, None)
    with pytest.raises(MissingPartError, match="knows no pictures"):
        PictureQueries.of(opened.folder)
