"""Search in one bundle: with and without an encoder, with and without a user."""

from pathlib import Path

import numpy as np
import pytest

from components.params import Params
from components.release.bundle import open_bundle
from components.search.index import Hits
from components.search.ordering import ALL_WORDS, ARTICLE_NUMBER, NO_WORD
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.search_service import SearchService


@pytest.fixture
def search_service(bundle: Path, params: Params) -> SearchService:
    return SearchService(open_bundle(bundle), params.language)


def search_ids(search_service: SearchService, query: str, user: object = None) -> list[str]:
    return [item.item_id for item in search_service.search(query, user, 6, None).items]  # type: ignore[arg-type]


def test_without_an_encoder_search_uses_words_only(search_service: SearchService) -> None:
    assert search_service.encoder is None
    assert all(int(i.split("-")[1]) % 2 == 1 for i in search_ids(search_service, "red"))


class FakeEncoder:
    """An encoder that returns the same vector for every text, and counts its calls."""

    def __init__(self, vector: np.ndarray) -> None:
        self.vector, self.calls = vector, 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        return np.stack([self.vector] * len(texts))


def test_vectors_find_products_without_matching_words_and_are_cached(search_service: SearchService) -> None:
    vectors = search_service.bundle.catalogue.embedding
    assert vectors is not None
    fake = FakeEncoder(vectors[1])
    search_service.__dict__["encoder"] = fake
    found = search_service.search("crimson", None, 5, None)
    assert all(int(item.item_id.split("-")[1]) % 2 == 1 for item in found.items)
    assert "read like them" in (found.reason or "")
    search_ids(search_service, "crimson")
    assert fake.calls == 1
    search_service.__dict__["encoder"] = FakeEncoder(np.full_like(vectors[1], np.nan))
    assert search_ids(search_service, "another") == search_ids(search_service, "another")  # a vector of NaN is ignored
    search_service.__dict__["encoder"] = FakeEncoder(np.zeros_like(vectors[1]))
    assert search_service.encode_query("没有") is None  # a query without a known token has no meaning


def test_the_history_of_the_user_changes_the_order(search_service: SearchService) -> None:
    user = build_user(search_service.bundle, [HistoryRow(f"sku-{i}", "view", None) for i in (1, 3, 5)])
    cold_user = build_user(search_service.bundle, [])
    assert search_ids(search_service, "thing", user) != search_ids(search_service, "thing")
    assert search_ids(search_service, "thing", cold_user) == search_ids(search_service, "thing")


def test_the_users_taste_keeps_the_stated_order(search_service: SearchService) -> None:
    kinds = np.array([ALL_WORDS, NO_WORD, ARTICLE_NUMBER], np.int8)
    items = np.array([2, 1, 4], np.int32)  # the user likes odd products
    hits = Hits(items, np.array([1.0, 0.99, 0.5], np.float32), kinds, None)
    user = build_user(search_service.bundle, [HistoryRow(f"sku-{i}", "view", None) for i in (1, 3, 5)])
    found = search_service._rerank_for(user, hits, 3, 100.0)
    assert found.items.tolist() == [4, 2, 1]
    assert found.kinds.tolist() == [ARTICLE_NUMBER, ALL_WORDS, NO_WORD]
