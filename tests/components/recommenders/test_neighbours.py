"""Item neighbours against BM25 computed in plain numpy."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.params import NeighboursParams, PopularityParams
from components.recommenders.neighbours import NeighboursRecommender, bm25_neighbours, without_self

PARAMS = NeighboursParams(n_neighbours=3, k1=1.2, b=0.75, recency=0.5)


def bm25_by_hand(seen: FloatArray, k1: float, b: float) -> FloatArray:
    """Items are the documents, users the terms: a user with many items counts less, repeated events saturate."""
    counts = seen.T.astype(np.float64)
    rarity = np.log(len(counts)) - np.log1p((counts > 0).sum(axis=0))
    length = counts.sum(axis=1, keepdims=True)
    weights = counts * (k1 + 1) / (k1 * (1 - b + b * length / length.mean()) + counts) * rarity
    return weights @ weights.T


@pytest.fixture
def seen() -> FloatArray:
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.4, (12, 9)).astype(np.float32)
    counts[:, 0] = 0
    return counts


def test_similarity_is_bm25(seen: FloatArray) -> None:
    similarity = bm25_neighbours(csr_matrix(seen), PARAMS.model_copy(update={"n_neighbours": 9})).toarray()
    expected = bm25_by_hand(seen, 1.2, 0.75)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(similarity, expected.clip(min=0), rtol=1e-5, atol=1e-6)


def test_the_nearest_neighbours_exclude_the_item_itself(seen: FloatArray) -> None:
    few = bm25_neighbours(csr_matrix(seen), PARAMS)
    every = bm25_by_hand(seen, 1.2, 0.75)
    np.fill_diagonal(every, 0)
    for item in range(1, 9):
        best = np.argsort(-every[item], kind="stable")[:3]
        assert set(few[item].indices) == {int(i) for i in best if every[item, i] > 0}


def test_without_self_breaks_ties_by_column() -> None:
    matrix = csr_matrix(np.array([[9, 1, 1, 1], [0, 9, 0, 2], [0, 0, 9, 0], [3, 1, 2, 9]], np.float64))
    kept = without_self(matrix, 2).toarray()
    assert kept.tolist() == [[0, 1, 1, 0], [0, 0, 0, 2], [0, 0, 0, 0], [3, 0, 2, 0]]
    assert kept.dtype == np.float32


def test_a_score_is_the_recency_weighted_sum_of_similarities(
    world: tuple[Interactions, Catalogue, Users], users_of: Callable[..., Users]
) -> None:
    model = NeighboursRecommender(PARAMS, PopularityParams(half_life_days=14)).fit(*world)
    expected = 0.5 * model.similarity[5] + model.similarity[7]
    np.testing.assert_allclose(model.score(users_of([[5, 7]]))[0], expected.toarray()[0] + model.prior, rtol=1e-6)


def test_anonymous_events_alone_make_no_neighbours(
    world: tuple[Interactions, Catalogue, Users], events_of: Callable[..., Interactions], users_of: Callable[..., Users]
) -> None:
    events = events_of([(0, 1, "purchase", 1.0, 1.0), (0, 2, "purchase", 1.0, 1.0)], n_users=3, n_items=20)
    model = NeighboursRecommender(PARAMS, PopularityParams(half_life_days=14)).fit(events, world[1], world[2])
    assert model.similarity.nnz == 0
    assert model.recommend(users_of([[1]]), 1).items.tolist() == [[2]]
