"""TF-IDF by hand: rare words, Chinese pairs of characters, cold items, missing texts."""

from collections.abc import Callable
from dataclasses import replace
from math import log, sqrt

import numpy as np

from components.contracts import Catalogue, Interactions, Users
from components.params import PopularityParams, TfidfParams
from components.recommenders.tfidf import TfidfRecommender, tfidf_vectors

World = tuple[Interactions, Catalogue, Users]


def fitted(world: World, texts: dict[int, str], recency: float = 1.0) -> TfidfRecommender:
    events, catalogue, users = world
    every = ["", *(texts.get(item, "") for item in range(1, len(catalogue) + 1))]
    model = TfidfRecommender(TfidfParams(recency=recency, max_share=0.5), PopularityParams(half_life_days=14))
    return model.fit(events, replace(catalogue, text=every), users)


def test_rare_words_weigh_more_and_single_words_nothing() -> None:
    """Of four items "oil" is in three and "rose" in two; "lamp" is in one, so nothing shares it."""
    vectors = tfidf_vectors(["", "rose oil", "rose rose oil", "oil lamp", "lily"], 0.75)[0].toarray()
    oil, rose = log(4 / 3), log(4 / 2)
    assert vectors.shape == (5, 2)
    np.testing.assert_allclose(vectors[1], np.array([oil, rose]) / sqrt(oil**2 + rose**2), rtol=1e-6)
    twice = (1 + log(2)) * rose
    np.testing.assert_allclose(vectors[2], np.array([oil, twice]) / sqrt(oil**2 + twice**2), rtol=1e-6)
    np.testing.assert_allclose(vectors[3], [1, 0], rtol=1e-6)
    assert not vectors[[0, 4]].any()


def test_words_of_most_items_are_left_out() -> None:
    assert tfidf_vectors(["", "rose oil", "rose oil", "oil lamp", "oil lily"], 0.5)[0].shape == (5, 1)


def test_chinese_items_share_pairs_of_characters(world: World, users_of: Callable[..., Users]) -> None:
    model = fitted(world, {1: "红茶壶", 2: "红茶杯", 3: "蓝色地毯", 4: "蓝色窗帘"})
    scores = model.score(users_of([[1], [3]]))
    assert [set(row.argsort()[::-1][:2].tolist()) for row in scores] == [{1, 2}, {3, 4}]


def test_a_cold_item_is_scored_by_its_words(world: World, users_of: Callable[..., Users]) -> None:
    model = fitted(world, {1: "green tea", 20: "tea green", 2: "red wine", 4: "wine red"})
    assert 20 not in world[0].item_idx
    assert model.recommend(users_of([[1]]), 1).items.tolist() == [[20]]


def test_a_catalogue_without_words_gives_popularity(world: World, users_of: Callable[..., Users]) -> None:
    model = fitted(world, {})
    np.testing.assert_array_equal(model.score(users_of([[1, 2], []])), np.tile(model.prior, (2, 1)))
