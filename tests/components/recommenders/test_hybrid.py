"""The blend: its parts, its slices, and the contributions to an item's score."""

from typing import Any

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.params import BlendParams, HybridParams, Params
from components.ragged import Ragged
from components.recommenders.blending import collect_pool, learn_weights
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create
from components.recommenders.hybrid import NO_COLD_ITEMS, HybridRecommender
from tests.components.recommenders.support import Noisy, Oracle
from tests.support import ragged

World = tuple[Interactions, Catalogue, Users]


def hybrid(parts: dict[str, Any], cold: int = 2, exclude_seen: bool = True, **changes: Any) -> HybridRecommender:
    params = {"parts": ["ease"], "candidates": 10, "max_users": 500, "min_slice_users": 10, "min_gain": 0.01}
    params |= {"cold_item_max_ndcg_loss": 0.01, "cold_item_neighbour_pool": 50}
    return HybridRecommender(parts, HybridParams.model_validate(params | changes), cold, exclude_seen)


def users_with(rows: list[list[int]]) -> Users:
    return Users(
        np.arange(1, len(rows) + 1, dtype=np.int32), ragged(rows), 10**12, ragged([[30 + r[0]] for r in rows], 10**12)
    )


@pytest.fixture
def shop() -> Users:
    """Return 40 cold users with one event and 40 warm ones with two."""
    return users_with([[1 + i % 20] * (1 + i // 40) for i in range(80)])


def test_each_slice_has_its_own_weights(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}).blend(shop, 60)
    cold, warm = (dict(zip(model.parts, row, strict=True)) for row in model.weights)
    assert cold["odd"] > cold["even"]
    assert warm["even"] > warm["odd"]
    assert model.metrics["in_fold/cold/ndcg_at_10"] > 0.6  # one part for all users would be right for half of them


def test_a_slice_of_few_users_gets_the_overall_weights(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}, min_slice_users=41).blend(shop, 60)
    np.testing.assert_array_equal(model.weights[0], model.weights[1])


def test_a_useless_part_is_dropped(shop: Users) -> None:
    warm = users_with([[1 + i % 20] * 2 for i in range(80)])
    assert list(hybrid({"odd": Oracle(1), "even": Oracle(0)}).blend(warm, 60).parts) == ["even"]


def test_lists_out_of_fold_are_those_of_weights_learned_on_the_other_users(shop: Users) -> None:
    """By hand for fold 2: a blend fitted on the users outside it, without folds of its own, ranks its users."""
    parts = {"odd": Noisy(1, 1, 0.4), "even": Noisy(0, 2, 0.4)}
    model = hybrid(parts).blend(shop, 60, k=12)
    assert model.out_of_fold is not None
    np.testing.assert_array_equal(model.out_of_fold.user_row, np.arange(80))
    assert model.out_of_fold.lists.shape == (80, 12)
    fold = np.arange(80) % 5 == 2
    others, own = shop.take(np.flatnonzero(~fold)), shop.take(np.flatnonzero(fold))
    alone = hybrid(parts)
    alone.n_items = 60
    pool = collect_pool(list(parts.values()), others, 10, True, 512)
    cold = np.flatnonzero(~fold) < 40
    overall = learn_weights(pool, 0.01)
    alone.weights = np.stack([learn_weights(pool.of(m), 0.01, start=overall) for m in (cold, ~cold)])
    np.testing.assert_array_equal(alone.recommend(own, 12).items, model.out_of_fold.lists[fold])
    values = per_user(model.out_of_fold.lists, shop.ground_truth, [10])["ndcg_at_10"]
    assert model.metrics["out_of_fold/ndcg_at_10"] == pytest.approx(values.mean(), rel=1e-6)


def test_weights_that_fit_noise_are_worth_less_out_of_fold() -> None:
    """40 users, and 12 parts of which none knows anything: the best sum of them looks good on its own users only."""
    users = users_with([[1 + i % 20] for i in range(40)])
    noise = {f"noise{seed}": Noisy(0, seed) for seed in range(12)}
    model = hybrid(noise, min_gain=0.0, candidates=60, min_slice_users=100).blend(users, 60)
    chance = sum(1 / np.log2(rank + 2) for rank in range(10)) / 59  # of one target among 59 unseen items, about
    assert model.metrics["in_fold/ndcg_at_10"] > 1.3 * model.metrics["out_of_fold/ndcg_at_10"]
    assert model.metrics["out_of_fold/ndcg_at_10"] == pytest.approx(chance, rel=0.6)


def test_only_a_sample_of_many_users_is_blended(shop: Users) -> None:
    model = hybrid({"odd": Oracle(1), "even": Oracle(0)}, max_users=30).blend(shop, 60)
    assert model.out_of_fold is not None
    assert model.out_of_fold.user_row.tolist() == list(range(0, 80, 3))


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


def test_fixed_weights_are_taken_and_no_user_is_read(shop: Users) -> None:
    weights = {"cold": {"odd": 1.0, "even": 0.0}, "warm": {"odd": 0.25, "even": 0.75}}
    model = hybrid({"even": Oracle(0), "odd": Oracle(1)})
    model.fixed = BlendParams.model_construct(parts=["odd", "even"], weights=weights, cold_item_blend_weight=0.25)
    none = Users(shop.user_idx, shop.history, shop.now)  # without targets
    smoother = ColdItemSmoother(*NO_COLD_ITEMS, 60)
    model.blend(none, 60, smoother)
    assert list(model.parts) == ["odd", "even"]
    assert model.weights.tolist() == [[1, 0], [0.25, 0.75]]
    assert model.smoother is smoother
    assert smoother.blend_weight == 0.25
    assert (model.metrics, model.out_of_fold) == ({}, None)


def test_fixed_weights_of_other_parts_are_refused(shop: Users) -> None:
    model = hybrid({"even": Oracle(0), "odd": Oracle(1)})
    weights = {"cold": {"odd": 1.0}, "warm": {"odd": 1.0}}
    model.fixed = BlendParams.model_construct(parts=["odd"], weights=weights, cold_item_blend_weight=0)
    with pytest.raises(ContractError, match=r"the recipe blends \['odd'\], got the parts \['even', 'odd'\]"):
        model.blend(shop, 60)


def test_a_user_with_several_rows_counts_once_and_is_in_one_fold(shop: Users) -> None:
    """User i has 1 + i % 3 equal rows: weights, figures and each row's list are those of one row each."""
    parts = {"odd": Noisy(1, 1, 0.4), "even": Noisy(0, 2, 0.4)}
    rows = np.repeat(np.arange(80), 1 + np.arange(80) % 3)
    once, often = hybrid(parts).blend(shop, 60), hybrid(parts).blend(shop.take(rows), 60)
    np.testing.assert_array_equal(often.weights, once.weights)
    assert often.metrics == pytest.approx(once.metrics)
    assert once.out_of_fold is not None
    assert often.out_of_fold is not None
    np.testing.assert_array_equal(often.out_of_fold.user_row, np.arange(len(rows)))
    np.testing.assert_array_equal(often.out_of_fold.lists, once.out_of_fold.lists[rows])
    few = hybrid(parts, max_users=30).blend(shop.take(rows), 60).out_of_fold
    assert few is not None
    np.testing.assert_array_equal(few.user_row, np.flatnonzero(rows % 3 == 0))  # whole users
