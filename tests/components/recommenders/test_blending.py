"""Learned weights, on data where the better part is known."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts import BoolArray, FloatArray, Users
from components.evaluation.metrics import ndcg_at_k
from components.recommenders.blending import Pool, collect_pool, learn_weights, ndcg, scaled
from tests.components.recommenders.support import Noisy
from tests.support import ragged


def pool_of(features: list[FloatArray], relevant: BoolArray) -> Pool:
    stacked = np.stack(features).astype(np.float32)
    rows, n_targets = np.arange(len(relevant), dtype=np.int32), relevant.sum(axis=1).astype(np.int32)
    return Pool(rows, stacked, np.ones(relevant.shape, bool), relevant, n_targets, np.ones(len(rows)))


@pytest.fixture
def truth() -> BoolArray:
    """Return 400 users who each took one of 40 candidates."""
    found = np.zeros((400, 40), bool)
    found[np.arange(400), np.random.default_rng(0).integers(0, 40, 400)] = True
    return found


def noisy(truth: BoolArray, signal: float, seed: int) -> FloatArray:
    return np.asarray(truth * signal + np.random.default_rng(seed).normal(0, 1, truth.shape), np.float32)


def test_one_scale_for_all_parts() -> None:
    """By hand: 30 of 300 items have 10, the others 0: the mean is 1, the best tenth lies 9 above it."""
    scores = np.zeros((2, 301), np.float32)
    scores[0, 1:31] = 10
    scores[1, 1:] = 5  # equal scores for all items
    out = scaled(scores)
    np.testing.assert_allclose(out[0, 1:31], 1, rtol=1e-6)
    np.testing.assert_allclose(out[0, 31:], -1 / 9, rtol=1e-6)
    assert not out[1].any()
    np.testing.assert_allclose(scaled(1000 * scores + 7)[0], out[0], rtol=1e-4)


def test_ndcg_is_that_of_the_evaluation(truth: BoolArray) -> None:
    features = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    weights = np.array([0.3, 0.7], np.float32)
    pool = pool_of(features, truth)
    total = np.tensordot(weights, pool.features, axes=1)
    best = np.argsort(-total, axis=1, kind="stable")[:, :10]
    expected = ndcg_at_k(np.take_along_axis(truth, best, 1), pool.n_targets, 10).mean()
    assert ndcg(pool, weights) == pytest.approx(float(expected))


def test_invalid_candidates_are_never_listed(truth: BoolArray) -> None:
    pool = pool_of([noisy(truth, 5, 1)], truth)
    weights = np.ones(1, np.float32)
    assert ndcg(pool, weights) > 0.5
    assert ndcg(replace(pool, valid=~truth), weights) == 0


def test_users_whose_targets_no_part_lists_count_as_zero() -> None:
    """By hand: of four users with two targets each, users 1 and 3 have one among their two candidates."""
    features = np.array([[[2, 1], [1, 2]]], np.float32)
    relevant = np.array([[True, False], [True, False]])
    valid = np.ones((2, 2), bool)
    pool = Pool(np.array([1, 3], np.int32), features, valid, relevant, np.full(4, 2, np.int32), np.ones(4))
    one, ideal = np.ones(1, np.float32), 1 + 1 / np.log2(3)
    assert ndcg(pool, one) == pytest.approx((1 + 1 / np.log2(3)) / ideal / 4)
    assert ndcg(pool.of(np.array([True, True, True, False])), one) == pytest.approx(1 / ideal / 3)
    assert pool.of(np.array([False, False, True, True])).row.tolist() == [1]


def test_equal_scores_rank_in_the_order_of_the_candidates() -> None:
    features = np.zeros((1, 1, 3), np.float32)
    relevant = np.array([[False, False, True]])
    valid, one = np.array([[True, False, True]]), np.ones(1, np.int32)
    pool = Pool(np.zeros(1, np.int32), features, valid, relevant, one, np.ones(1))
    assert ndcg(pool, np.ones(1, np.float32)) == pytest.approx(1 / np.log2(3))  # second of two valid candidates


def test_the_pool_holds_the_candidates_of_all_parts_and_users_with_hits_only() -> None:
    """User i had item 1 + i and took item 31 + i, which the part scores highest."""
    users = Users(
        np.zeros(20, np.int32), ragged([[1 + i] for i in range(20)]), 10**12, ragged([[31 + i] for i in range(20)])
    )
    never = Users(users.user_idx, users.history, users.now, ragged([[1]] * 20))  # they took what nobody is offered
    pool = collect_pool([Noisy(1, lead=1)], users, 1, True, 7)
    assert pool.row.tolist() == list(range(20))
    assert pool.relevant.all()
    assert pool.features.shape == (1, 20, 1)
    assert ndcg(pool, np.ones(1, np.float32)) == 1
    empty = collect_pool([Noisy(1, lead=1)], never, 1, True, 7)
    assert len(empty.row) == 0
    assert ndcg(empty, np.ones(1, np.float32)) == 0


def test_two_noisy_parts_get_weight_and_pure_noise_gets_none(truth: BoolArray) -> None:
    half = np.arange(400) % 2 == 0
    one, other = noisy(truth, 2, 1), noisy(truth, 2, 2)
    weights = learn_weights(pool_of([one, other, noisy(truth, 0, 3)], truth), 0.01)
    assert weights.sum() == pytest.approx(1)
    assert weights[2] == 0
    assert min(weights[:2]) > 0.2
    pool = pool_of([one, other, noisy(truth, 0, 3)], truth)
    assert ndcg(pool, weights) > 1.1 * max(ndcg(pool, row) for row in np.eye(3, dtype=np.float32))
    assert ndcg(pool.of(half), weights) != ndcg(pool, weights)


def test_a_copy_of_a_part_gets_no_weight(truth: BoolArray) -> None:
    one = noisy(truth, 2, 1)
    assert np.count_nonzero(learn_weights(pool_of([one, one], truth), 0.001)) == 1


def test_only_the_parts_of_the_start_get_weight(truth: BoolArray) -> None:
    pool = pool_of([noisy(truth, 1, 1), noisy(truth, 3, 2)], truth)
    np.testing.assert_array_equal(learn_weights(pool, 0.01, start=np.array([1, 0], np.float32)), [1, 0])


def test_the_same_pool_gives_the_same_weights(truth: BoolArray) -> None:
    pool = pool_of([noisy(truth, 1, 1), noisy(truth, 1, 2)], truth)
    np.testing.assert_array_equal(learn_weights(pool, 0.001), learn_weights(pool, 0.001))


def test_each_user_counts_once_however_many_rows_it_has() -> None:
    """By hand: user 1 has a hit at rank 1 in one of three lists, user 2 in its only one."""
    rows, lead = [[5], [6], [7], [8]], np.array([1, 1, 1, 2], np.int32)
    users = Users(lead, ragged(rows), 10**12, ragged([[35], [1], [2], [38]]))
    pool = collect_pool([Noisy(1, lead=1)], users, 5, True, 2)
    assert pool.weight.tolist() == [1 / 3, 1 / 3, 1 / 3, 1]
    one = np.ones(1, np.float32)
    assert ndcg(pool, one) == pytest.approx((1 / 3 + 1) / 2)
    assert ndcg(pool.of(lead == 1), one) == pytest.approx(1 / 3)
    assert ndcg(replace(pool, weight=np.ones(4)), one) == pytest.approx(2 / 4)
