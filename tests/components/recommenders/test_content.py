"""Content: nearest texts, new products, missing texts."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import ContentParams, PopularityParams
from components.recommenders.content import ContentRecommender, unit_rows

World = tuple[Interactions, Catalogue, Users]


def fitted(world: World, embedding: np.ndarray | None, recency: float = 0.5, dims: int = 0) -> ContentRecommender:
    events, catalogue, users = world
    model = ContentRecommender(ContentParams(recency=recency, dims=dims), PopularityParams(half_life_days=14), 10**6)
    return model.fit(events, replace(catalogue, embedding=embedding), users)


@pytest.fixture
def axes() -> np.ndarray:
    """Items 1 and 2 on the axes, 3 between them, all others without text."""
    embedding = np.zeros((21, 2), np.float32)
    embedding[1], embedding[2], embedding[3] = [1, 0], [0, 1], [np.sqrt(0.5), np.sqrt(0.5)]
    return embedding


def test_scores_are_cosines_to_the_mean(world: World, axes: np.ndarray, users_of: Callable[..., Users]) -> None:
    scores = fitted(world, axes).score(users_of([[1, 2]]))[0]  # the mean points to (0.5, 1)
    np.testing.assert_allclose(scores[1:4], [0.4472, 0.8944, 0.9487], atol=1e-3)
    np.testing.assert_allclose(scores[4:], 0, atol=2e-6)


def test_a_cold_item_is_scored_by_its_text(world: World, users_of: Callable[..., Users]) -> None:
    model = fitted(world, world[1].embedding)
    assert 20 not in world[0].item_idx
    ranked = model.recommend(users_of([[2, 4, 6], [1, 3, 5]]), 8).items
    assert 20 in ranked[0]  # item 20 is even
    assert 20 not in ranked[1]


def test_opposite_texts_cancel_to_popularity(world: World, axes: np.ndarray, users_of: Callable[..., Users]) -> None:
    axes[2] = [-1, 0]
    model = fitted(world, axes, recency=1.0)
    np.testing.assert_array_equal(model.score(users_of([[1, 2]]))[0], model.prior)


@pytest.mark.parametrize("embedding", [None, np.ones((7, 4), np.float32), np.full((21, 4), np.nan, np.float32)])
def test_missing_or_broken_embeddings_are_refused(world: World, embedding: np.ndarray | None) -> None:
    with pytest.raises(ContractError, match="run `encode`"):
        fitted(world, embedding)


def test_unit_rows_leave_zeros_alone() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3, 4], [0, 0]], np.float32)), [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_leading_directions_give_nearly_the_same_scores_and_a_large_catalogue_keeps_all(
    world: World, users_of: Callable[..., Users]
) -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((21, 3)) @ rng.standard_normal((3, 12)) + 0.01 * rng.standard_normal((21, 12))
    flat[0] = flat[7] = 0  # item 7 has no text
    embedding = unit_rows(flat.astype(np.float32))
    test_users = users_of([[1, 2, 3], [7]])
    whole, few = fitted(world, embedding), fitted(world, embedding, dims=3)
    assert few.embedding.shape == (21, 3)
    np.testing.assert_allclose(few.score(test_users), whole.score(test_users), atol=0.02)
    np.testing.assert_array_equal(few.score(test_users)[1], few.prior)
    events, catalogue, users = world
    large = ContentRecommender(ContentParams(recency=0.5, dims=3), PopularityParams(half_life_days=14), events.n_items)
    large.fit(events, replace(catalogue, embedding=embedding), users)
    np.testing.assert_array_equal(large.embedding, whole.embedding)
    assert fitted(world, embedding, dims=50).embedding.shape == (21, 12)


def test_a_model_saved_without_the_parameter_dims_is_loaded(
    world: World, users_of: Callable[..., Users], tmp_path: Path
) -> None:
    model = fitted(world, world[1].embedding)
    model.save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    del about["params"]["dims"]
    (tmp_path / "model.json").write_text(json.dumps(about))
    test_users = users_of([[1, 2]])
    np.testing.assert_array_equal(ContentRecommender.load(tmp_path).score(test_users), model.score(test_users))
