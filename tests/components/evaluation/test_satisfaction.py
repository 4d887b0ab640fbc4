"""The interest matrix: bounded, equal dense and sparse, linear, and with a maximum only where weights are bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.evaluation.satisfaction import (
    best_items,
    gradients,
    interest_matrix,
    satisfaction,
    total_interest,
    total_of_offers,
)
from components.ragged import Ragged
from tests.support import ragged

N_USERS, N_ITEMS = 3, 5
NUMBERS = st.floats(-5, 5, width=32)
USERS, ITEMS = hnp.arrays(np.float64, N_USERS, elements=NUMBERS), hnp.arrays(np.float64, N_ITEMS + 1, elements=NUMBERS)
WANTED = st.lists(st.lists(st.integers(1, N_ITEMS), max_size=6), min_size=N_USERS, max_size=N_USERS)


def of(rows: list[list[int]]) -> Ragged:
    return ragged(rows)


@given(WANTED)
def test_interests_are_between_0_and_1(rows: list[list[int]]) -> None:
    dense = interest_matrix(of(rows), N_ITEMS).toarray()
    assert ((dense >= 0) & (dense < 1)).all()
    for user, row in enumerate(rows):
        for item in range(N_ITEMS + 1):
            n = row.count(item)
            assert dense[user, item] == pytest.approx(n / (n + 1))


@given(WANTED, USERS, ITEMS)
def test_the_bilinear_form_is_that_of_the_matrix(rows: list[list[int]], users: np.ndarray, items: np.ndarray) -> None:
    """u' R v = sum of P * R = trace(P' R) with P = u v', sparse and dense alike."""
    sparse = interest_matrix(of(rows), N_ITEMS)
    dense, offers = sparse.toarray(), np.outer(users, items)
    wanted = sum(users[i] * dense[i, j] * items[j] for i in range(N_USERS) for j in range(N_ITEMS + 1))
    for came in (
        total_interest(sparse, users, items),
        total_interest(dense, users, items),
        total_of_offers(sparse, offers),
        total_of_offers(dense, offers),
        float(np.trace(offers.T @ dense)),
    ):
        assert came == pytest.approx(wanted, abs=1e-6)


@given(WANTED, USERS, ITEMS)
def test_gradients_are_those_of_finite_differences(rows: list[list[int]], users: np.ndarray, items: np.ndarray) -> None:
    interest = interest_matrix(of(rows), N_ITEMS)
    by_user, by_item = gradients(interest, users, items)
    for i, step in enumerate(1e-3 * np.eye(N_USERS)):
        gain = total_interest(interest, users + step, items) - total_interest(interest, users - step, items)
        assert by_user[i] == pytest.approx(gain / 2e-3, abs=1e-6)
    for j, step in enumerate(1e-3 * np.eye(N_ITEMS + 1)):
        gain = total_interest(interest, users, items + step) - total_interest(interest, users, items - step)
        assert by_item[j] == pytest.approx(gain / 2e-3, abs=1e-6)
    offers = np.zeros((N_USERS, N_ITEMS + 1))
    offers[1, 2] = 1.0
    assert total_of_offers(interest, offers) == pytest.approx(interest.toarray()[1, 2])  # the gradient by P is R


@given(WANTED, USERS, hnp.arrays(np.float64, (20, N_ITEMS + 1), elements=NUMBERS))
def test_best_items_are_optimal_among_weights_of_length_1(
    rows: list[list[int]], users: np.ndarray, others: np.ndarray
) -> None:
    interest = interest_matrix(of(rows), N_ITEMS)
    items, worth = best_items(interest, users)
    assert total_interest(interest, users, items) == pytest.approx(worth, abs=1e-6)
    assert np.linalg.norm(items) == pytest.approx(1.0 if worth else 0.0)
    for other in others:
        unit = other / max(np.linalg.norm(other), 1e-9)
        assert total_interest(interest, users, unit) <= worth + 1e-6


def test_without_a_bound_there_is_no_maximum() -> None:
    interest = interest_matrix(of([[1, 2], [2], [3]]), N_ITEMS)
    users = np.ones(N_USERS)
    items, worth = best_items(interest, users)
    assert total_interest(interest, users, 1e6 * items) == pytest.approx(1e6 * worth)


def test_satisfaction_does_not_change_its_input() -> None:
    wanted = of([[5, 1, 5, 2], [3, 1, 3], []])
    before = [getattr(wanted, name).copy() for name in ("offsets", "item_idx", "weight", "timestamp")]
    satisfaction(np.array([[1, 5], [3, 1], [1, 2]], np.int32), wanted, N_ITEMS, [1, 2])
    for name, array in zip(("offsets", "item_idx", "weight", "timestamp"), before, strict=True):
        np.testing.assert_array_equal(getattr(wanted, name), array)


def test_satisfaction_is_a_share_of_the_best_lists() -> None:
    """User 0 wants 1 twice and 2 once, user 1 wants 3, user 2 nothing."""
    wanted = of([[1, 1, 2], [3], []])
    lists = np.array([[2, 4], [5, 3], [1, 2]], np.int32)
    found = satisfaction(lists, wanted, N_ITEMS, [1, 2])
    assert found["satisfaction_at_1"] == pytest.approx((1 / 2) / (2 / 3 + 1 / 2))
    assert found["satisfaction_at_2"] == pytest.approx((1 / 2 + 1 / 2) / (2 / 3 + 1 / 2 + 1 / 2))
    best = np.array([[1, 2], [3, 0], [0, 0]], np.int32)
    assert satisfaction(best, wanted, N_ITEMS, [2])["satisfaction_at_2"] == pytest.approx(1)
    assert satisfaction(lists, of([[], [], []]), N_ITEMS, [2]) == {"satisfaction_at_2": 0.0}
