"""Events as matrices, by hand: recency, sums, returns, anonymous visitors."""

from collections.abc import Callable

import numpy as np
import pytest

from components.contracts import Interactions, Users
from components.errors import ContractError
from components.ragged import Ragged
from components.recommenders.histories import history_matrix, merge_repeats, pick
from components.recommenders.sums import training_matrix


def test_each_later_event_lowers_the_weight(users_of: Callable[..., Users]) -> None:
    matrix = history_matrix(users_of([[3, 1, 3], [], [2]], weight=2.0), 3, 0.5).toarray()
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[0, 1, 0, 2.5], [0, 0, 0, 0], [0, 0, 2, 0]]  # item 3: 2 x (0.25 + 1)


@pytest.mark.parametrize(("recency", "expected"), [(0.0, [0, 0, 1]), (1.0, [0, 1, 1])])
def test_recency_0_keeps_the_last_event_and_1_weights_all_equally(
    users_of: Callable[..., Users], recency: float, expected: list[float]
) -> None:
    assert history_matrix(users_of([[1, 2]]), 2, recency).toarray()[0].tolist() == expected


def test_a_return_cancels_the_purchase(users_of: Callable[..., Users]) -> None:
    users = users_of([[1, 2, 1]], [["purchase", "purchase", "return"]])
    assert history_matrix(users, 2, 0.5).toarray().tolist() == [[0, 0, 0.5]]


def test_training_sums_events_subtracts_returns_and_skips_anonymous_users(
    events_of: Callable[..., Interactions],
) -> None:
    rows = [
        (0, 1, "purchase", 1.0, 3.0),
        (1, 2, "view", 0.25, 3.0),
        (1, 2, "purchase", 1.0, 2.0),
        (1, 3, "purchase", 1.0, 2.0),
        (1, 3, "return", 1.0, 1.0),
        (2, 1, "return", 1.0, 1.0),
    ]
    matrix = training_matrix(events_of(rows, n_users=2, n_items=3))
    assert matrix.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 1.25, 0], [0, 0, 0, 0]]
    assert matrix.nnz == 1


@pytest.mark.parametrize("row", [[4], [0], [-1]])
def test_items_outside_the_catalogue_are_refused(users_of: Callable[..., Users], row: list[int]) -> None:
    with pytest.raises(ContractError, match=r"a history holds item_idx .* knows 1\.\.3"):
        history_matrix(users_of([row]), 3, 0.5)


def test_pick_takes_columns_and_refuses_others() -> None:
    scores = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert pick(scores, None) is scores
    assert pick(scores, np.array([3, 0], np.int32)).tolist() == [[3, 0], [7, 4]]
    with pytest.raises(ContractError, match=r"0\.\.3"):
        pick(scores, np.array([-1], np.int32))


def test_repeats_of_an_item_become_the_event_of_largest_weight() -> None:
    """User 0: view 5, cart 5, view 5, buy 6, view 5; user 1: nothing; user 2: view 5, no repeat of user 0's."""
    rows = Ragged(
        np.array([0, 5, 5, 6]),
        np.array([5, 5, 5, 6, 5, 5], np.int32),
        np.arange(6),
        np.array([0, 1, 0, 2, 0, 0], np.int8),
        np.array([0.3, 0.7, 0.3, 1.0, 0.3, 0.3], np.float32),
    )
    merged = merge_repeats(rows)
    assert merged.offsets.tolist() == [0, 3, 3, 4]
    assert merged.item_idx.tolist() == [5, 6, 5, 5]
    assert merged.event.tolist() == [1, 2, 0, 0]
    assert merged.timestamp.tolist() == [1, 3, 4, 5]
    assert merged.weight.tolist() == pytest.approx([0.7, 1.0, 0.3, 0.3])


def test_the_newest_of_equal_repeats_is_kept(users_of: Callable[..., Users]) -> None:
    history = users_of([[7, 7, 7]]).history
    assert merge_repeats(history).timestamp.tolist() == [history.timestamp[2]]


def test_merging_nothing_or_merging_twice_changes_nothing(users_of: Callable[..., Users]) -> None:
    assert len(merge_repeats(users_of([[], []]).history)) == 2
    once = merge_repeats(users_of([[1, 1, 2], [2, 2]]).history)
    assert merge_repeats(once).item_idx.tolist() == once.item_idx.tolist() == [1, 2, 2]
