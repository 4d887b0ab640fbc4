"""Agreement, concentration and score spread of lists, by hand."""

import numpy as np
import pytest

from components.errors import ContractError
from components.evaluation.list_comparison import (
    concentration_at_k,
    mean_overlap_at_k,
    overlap_at_k,
    score_spread,
)


def ints(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def test_overlap_counts_common_items_in_any_order() -> None:
    one = ints([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4])
    two = ints([4, 3, 2, 1], [1, 2, 7, 8], [5, 6, 7, 8], [1, 9, 3, 2])
    assert overlap_at_k(one, two, 4).tolist() == [1.0, 0.5, 0.0, 0.75]
    assert overlap_at_k(one, two, 2).tolist() == [0.0, 1.0, 0.0, 0.5]
    assert mean_overlap_at_k(one, two, 4) == 0.5625


def test_overlap_compares_users_with_themselves_only() -> None:
    """The first user's items are the second user's in the other lists: nothing is shared."""
    assert overlap_at_k(ints([1, 2], [3, 4]), ints([3, 4], [1, 2]), 2).tolist() == [0.0, 0.0]


def test_overlap_is_a_share_of_the_longer_list_and_unknown_for_two_empty_ones() -> None:
    one, two = ints([1, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]), ints([1, 2, 3, 4], [1, 0, 0, 0], [0, 0, 0, 0])
    found = overlap_at_k(one, two, 4)
    assert found[:2].tolist() == [0.5, 1.0]
    assert np.isnan(found[2])
    assert mean_overlap_at_k(one, two, 4) == 0.75
    assert mean_overlap_at_k(one[2:], two[2:], 4) == 0.0  # no list at all is no agreement


def test_overlap_with_the_own_lists_is_one_and_symmetric() -> None:
    rng = np.random.default_rng(0)
    one, two = (np.stack([rng.permutation(50)[:10] + 1 for _ in range(30)]).astype(np.int32) for _ in range(2))
    assert mean_overlap_at_k(one, one, 10) == 1.0
    np.testing.assert_array_equal(overlap_at_k(one, two, 10), overlap_at_k(two, one, 10))
    expected = [len(set(a) & set(b)) / 10 for a, b in zip(one.tolist(), two.tolist(), strict=True)]
    np.testing.assert_allclose(overlap_at_k(one, two, 10), expected, atol=1e-7)


def test_a_permuted_catalogue_agrees_by_chance_only() -> None:
    rng = np.random.default_rng(1)
    lists = np.stack([rng.permutation(1000)[:10] + 1 for _ in range(500)]).astype(np.int32)
    other = np.concatenate([[0], rng.permutation(1000) + 1]).astype(np.int32)[lists]
    assert mean_overlap_at_k(lists, other, 10) < 0.02  # 10 / 1000 expected


def test_overlap_needs_the_same_users() -> None:
    with pytest.raises(ContractError, match="1 and of 2 users"):
        overlap_at_k(ints([1]), ints([1], [2]), 1)
    with pytest.raises(ContractError, match="k is 3"):
        overlap_at_k(ints([1, 2]), ints([1, 2]), 3)


def test_concentration_is_the_share_of_the_most_listed_hundredth() -> None:
    """200 items: the top 1 % are 2 items. Item 1 has 3 of 8 positions, items 2 and 3 have 2 each."""
    lists = ints([1, 2], [1, 3], [1, 4], [2, 3])
    assert concentration_at_k(lists, 200, 2) == pytest.approx(5 / 8)
    assert concentration_at_k(lists, 200, 1) == 1.0  # items 1 and 2 hold all first positions
    assert concentration_at_k(lists, 99, 2) == pytest.approx(3 / 8)  # at least one item
    assert concentration_at_k(ints([1, 0], [2, 0]), 100, 2) == pytest.approx(1 / 2)  # padding is no position


def test_one_list_for_everybody_is_the_highest_concentration() -> None:
    assert concentration_at_k(np.tile(np.arange(1, 11, dtype=np.int32), (50, 1)), 1000, 10) == 1.0
    even = np.arange(1, 1001, dtype=np.int32).reshape(100, 10)
    assert concentration_at_k(even, 1000, 10) == pytest.approx(0.01)
    with pytest.raises(ContractError, match="no list holds any item"):
        concentration_at_k(ints([0, 0]), 10, 2)


def test_score_spread_is_the_median_distance_of_first_and_last() -> None:
    inf = np.inf
    scores = np.array([[5, 4, 1], [3, 2, 1], [9, 8, -inf], [7, -inf, -inf]], np.float32)
    assert score_spread(scores) == 2.0  # of 4, 2 and 1; one item has no distance
    assert score_spread(scores + 100) == 2.0
    assert score_spread(scores * 10) == 20.0
    assert score_spread(np.full((3, 4), 0.5, np.float32)) == 0.0  # collapsed to a constant
    assert score_spread(np.full((2, 2), -inf, np.float32)) == 0.0
