"""A query by one bundle: with and without an encoder, for somebody and for nobody."""

from pathlib import Path

import numpy as np
import pytest

from components.params import Params
from components.release.bundle import open_bundle
from components.serving.inference.recommendations import Row, user_of
from components.serving.inference.search_service import SearchService


@pytest.fixture
def search_service(bundle: Path, params: Params) -> SearchService:
    return SearchService(open_bundle(bundle), params.language)


def ids(search_service: SearchService, query: str, user: object = None) -> list[str]:
    return [item.item_id for item in search_service.find(query, user, 6, None).items]  # type: ignore[arg-type]


def test_words_alone_where_the_bundle_holds_no_encoder(search_service: SearchService) -> None:
    assert search_service.encoder is None
    assert all(int(i.split("-")[1]) % 2 == 1 for i in ids(search_service, "red"))


class Fake:
    """An encoder that reads everything as red, and counts."""

    def __init__(self, vector: np.ndarray) -> None:
        self.vector, self.asked = vector, 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.asked += 1
        return np.stack([self.vector] * len(texts))


def test_meaning_finds_what_no_word_does_and_the_same_query_is_read_once(search_service: SearchService) -> None:
    vectors = search_service.bundle.catalogue.embedding
    assert vectors is not None
    fake = Fake(vectors[1])
    search_service.__dict__["encoder"] = fake
    found = search_service.find("crimson", None, 5, None)
    assert all(int(item.item_id.split("-")[1]) % 2 == 1 for item in found.items)
    assert "read like them" in (found.reason or "")
    ids(search_service, "crimson")
    assert fake.asked == 1
    search_service.__dict__["encoder"] = Fake(np.full_like(vectors[1], np.nan))
    assert ids(search_service, "another") == ids(search_service, "another")  # a broken vector is no vector


def test_who_asks_counts(search_service: SearchService) -> None:
    user = user_of(search_service.bundle, [Row(f"sku-{i}", "view", None) for i in (1, 3, 5)])
    stranger = user_of(search_service.bundle, [])
    assert ids(search_service, "thing", user) != ids(search_service, "thing")
    assert ids(search_service, "thing", stranger) == ids(search_service, "thing")
