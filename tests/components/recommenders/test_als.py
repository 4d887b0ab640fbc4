"""ALS: user vectors solved at request time, direction of scores, and the same vectors on any number of threads."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.params import AlsParams, PopularityParams
from components.recommenders.als import AlsRecommender

PARAMS = AlsParams(factors=3, regularization=0.1, alpha=5.0, iterations=10, recency=0.5)
World = tuple[Interactions, Catalogue, Users]


@pytest.fixture
def model(world: World) -> AlsRecommender:
    return AlsRecommender(PARAMS, PopularityParams(half_life_days=14), seed=1).fit(*world)


def user_by_hand(factors: FloatArray, confidence: dict[int, float], regularization: float) -> FloatArray:
    """Hu et al. 2008, equation 4: confidence c for seen items, 1 for all others."""
    y = factors.astype(np.float64)
    c, seen = np.ones(len(y)), np.zeros(len(y))
    for item, value in confidence.items():
        c[item], seen[item] = value, 1
    return np.linalg.solve(y.T @ (c[:, None] * y) + regularization * np.eye(y.shape[1]), y.T @ (c * seen))


def test_a_user_is_solved_from_the_weighted_history(model: AlsRecommender, users_of: Callable[..., Users]) -> None:
    vector = user_by_hand(model.factors, {4: 5 * 0.5, 8: 5.0}, 0.1)
    expected = model.factors @ vector + model.prior
    np.testing.assert_allclose(model.score(users_of([[4, 8]]))[0], expected, rtol=1e-3, atol=1e-4)


def test_one_more_odd_item_raises_odd_items(model: AlsRecommender, users_of: Callable[..., Users]) -> None:
    before, after = model.score(users_of([[2, 4], [2, 4, 3]]))
    odd = np.arange(5, 20, 2)
    assert (after[odd] - before[odd]).mean() > 0.1


def test_without_history_the_order_is_popularity(model: AlsRecommender, users_of: Callable[..., Users]) -> None:
    np.testing.assert_array_equal(model.score(users_of([[]]))[0], model.prior)
    assert not model.factors[[0, 20]].any()  # padding, and the item that was never sold


def test_threads_do_not_change_the_vectors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AlsRecommender._solver

    def fits(threads: int) -> FloatArray:
        def solver(self: AlsRecommender) -> Any:
            made = whole(self)
            made.num_threads = threads
            return made

        monkeypatch.setattr(AlsRecommender, "_solver", solver)
        return AlsRecommender(PARAMS, PopularityParams(half_life_days=14), seed=1).fit(*world).factors

    np.testing.assert_array_equal(fits(1), fits(4))


def test_another_seed_gives_other_vectors(model: AlsRecommender, world: World) -> None:
    other = AlsRecommender(PARAMS, PopularityParams(half_life_days=14), seed=2).fit(*world)
    assert not np.array_equal(other.factors, model.factors)
