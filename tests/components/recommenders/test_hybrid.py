"""The blend: its parts, its slices, and the contributions to an item's score."""

from typing import Any

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import HybridParams, Params
from components.ragged import Ragged
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender
from tests.components.recommenders.support import Oracle
from tests.support import ragged

World = tuple[Interactions, Catalogue, Users]


def hybrid(parts: dict[str, Any], cold: int = 2, exclude_seen: bool = True, **changes: Any) -> HybridRecommender:
    params = {"parts": ["ease"], "candidates": 10, "max_users": 500, "min_slice_users": 10, "min_gain": 0.01}
    params |= {"cold_item_max_ndcg_loss": 0.01, "cold_item_neighbour_pool": 50}
    return HybridRecommender(parts, HybridParams.model_validate(params | changes), cold, exclude_seen)


def users_with(rows: list[list[int]]) -> Users:
    return Users(np.zeros(len(rows), np.int32), ragged(rows), 10**12, ragged([[30 + r[0]] for r in rows], 10**12))


@pytest.fixture
def shop() -> Users:
    """Return 40 cold users with one event and 40 warm ones with two."""
    return users_with([[1 + i % 20] * (1 + i // 40) for i in range(80)])


def test_each_slice_has_its_own_weights(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}).blend(shop, 60)
    cold, warm = (dict(zip(model.parts, row, strict=True)) for row in model.weights)
    assert cold["odd"] > cold["even"]
    assert warm["even"] > warm["odd"]
    assert model.metrics["cold/ndcg_at_10"] > 0.6  # one part for all users would be right for half of them


def test_a_slice_of_few_users_gets_the_overall_weights(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}, min_slice_users=41).blend(shop, 60)
    np.testing.assert_array_equal(model.weights[0], model.weights[1])


def test_a_useless_part_is_dropped(shop: Users) -> None:
    warm = users_with([[1 + i % 20] * 2 for i in range(80)])
    assert list(hybrid({"odd": Oracle(1), "even": Oracle(0)}).blend(warm, 60).parts) == ["even"]


def test_contributions_add_up_to_the_score(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}).blend(shop, 60)
    items = np.array([31, 5, 60], np.int32)
    parts = model.contributions(shop, items)
    assert set(parts) == set(model.parts)
    np.testing.assert_allclose(sum(parts.values()), model.score(shop, items), rtol=1e-5, atol=1e-6)
    assert (parts["odd"][:40].argmax(axis=1) == 0)[shop.history.item_idx[:40] == 1].all()


def test_the_blend_is_no_worse_than_its_best_part(world: World, params: Params) -> None:
    model = create("hybrid", params).fit(*world)
    assert isinstance(model, HybridRecommender)
    assert 0 < len(model.parts) <= 3
    assert model.weights.sum(axis=1) == pytest.approx([1, 1])


def test_no_user_to_learn_from_is_an_error(shop: Users) -> None:
    none = Users(shop.user_idx, shop.history, shop.now, shop.history)  # they buy what they had
    with pytest.raises(ContractError, match="no user of the validation window"):
        hybrid({"odd": Oracle(1)}).blend(none, 60)
    hybrid({"odd": Oracle(1)}, exclude_seen=False).blend(none, 60)


@pytest.mark.parametrize(("limit", "n"), [(1000, 80), (80, 80), (79, 40), (20, 20), (1, 1)])
def test_a_subsample_keeps_the_targets(shop: Users, limit: int, n: int) -> None:
    some = shop.subsample(limit)
    assert len(some) == n
    assert isinstance(some.targets, Ragged)
    assert (some.targets.item_idx == 30 + some.history.item_idx[some.history.offsets[:-1]]).all()
