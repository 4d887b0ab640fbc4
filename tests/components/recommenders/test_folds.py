"""Folds of users, and the average of the weights that each leaves out."""

import numpy as np
import pytest

from components.recommenders.folds import FOLDS, assign_folds, average_weights, learning_users


@pytest.mark.parametrize("n_users", [2, 4, 5, 13, 100])
def test_each_user_is_left_out_of_one_fold(n_users: int) -> None:
    folds = assign_folds(n_users)
    learning = np.stack(learning_users(folds))
    assert len(learning) == min(FOLDS, n_users)
    np.testing.assert_array_equal((~learning).sum(axis=0), np.ones(n_users))
    np.testing.assert_array_equal((~learning).argmax(axis=0), folds)
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1


def test_a_single_user_learns_from_itself() -> None:
    assert [mask.tolist() for mask in learning_users(assign_folds(1))] == [[True]]


def test_the_average_leaves_out_parts_that_half_of_the_folds_do_not_use() -> None:
    """By hand, two slices and three parts: part 2 has weight in two of four folds, part 1 in three."""
    cold = [[0.5, 0.5, 0], [0.6, 0.2, 0.2], [0.8, 0, 0.2], [0.5, 0.5, 0]]
    warm = [[1, 0, 0]] * 4
    weights = np.array([cold, warm], np.float32).transpose(1, 0, 2)
    np.testing.assert_allclose(average_weights(weights), [[0.6 / 0.9, 0.3 / 0.9, 0], [1, 0, 0]], rtol=1e-6)


def test_where_folds_agree_on_no_part_the_heaviest_gets_all() -> None:
    weights = np.array([[[1, 0, 0]], [[0.4, 0.6, 0]], [[0, 0.9, 0.1]], [[0, 0, 1]]], np.float32)
    np.testing.assert_array_equal(average_weights(weights), [[0, 1, 0]])  # means .35, .375, .275


def test_equal_folds_give_their_weights() -> None:
    weights = np.tile(np.array([[0.25, 0.75], [1, 0]], np.float32), (5, 1, 1))
    np.testing.assert_allclose(average_weights(weights), weights[0])
