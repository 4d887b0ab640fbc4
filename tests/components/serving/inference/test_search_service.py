"""A query by one bundle: with and without an encoder, for somebody and for nobody."""

from pathlib import Path

import numpy as np
import pytest

from components.params import Params
from components.release.bundle import open_bundle
from components.serving.inference.recommendations import Row, user_of
from components.serving.inference.search_service import Finder


@pytest.fixture
def finder(bundle: Path, params: Params) -> Finder:
    return Finder(open_bundle(bundle), params.language)


def ids(finder: Finder, query: str, user: object = None) -> list[str]:
    return [item.item_id for item in finder.find(query, user, 6, None).items]  # type: ignore[arg-type]


def test_words_alone_where_the_bundle_holds_no_encoder(finder: Finder) -> None:
    assert finder.encoder is None
    assert all(int(i.split("-")[1]) % 2 == 1 for i in ids(finder, "red"))


class Fake:
    """An encoder that reads everything as red, and counts."""

    def __init__(self, vector: np.ndarray) -> None:
        self.vector, self.asked = vector, 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.asked += 1
        return np.stack([self.vector] * len(texts))


def test_meaning_finds_what_no_word_does_and_the_same_query_is_read_once(finder: Finder) -> None:
    vectors = finder.bundle.catalogue.embedding
    assert vectors is not None
    fake = Fake(vectors[1])
    finder.__dict__["encoder"] = fake
    found = finder.find("crimson", None, 5, None)
    assert all(int(item.item_id.split("-")[1]) % 2 == 1 for item in found.items)
    assert "read like them" in (found.reason or "")
    ids(finder, "crimson")
    assert fake.asked == 1
    finder.__dict__["encoder"] = Fake(np.full_like(vectors[1], np.nan))
    assert ids(finder, "another") == ids(finder, "another")  # a broken vector is no vector


def test_who_asks_counts(finder: Finder) -> None:
    user = user_of(finder.bundle, [Row(f"sku-{i}", "view", None) for i in (1, 3, 5)])
    stranger = user_of(finder.bundle, [])
    assert ids(finder, "thing", user) != ids(finder, "thing")
    assert ids(finder, "thing", stranger) == ids(finder, "thing")
