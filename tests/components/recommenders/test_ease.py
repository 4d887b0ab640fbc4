"""EASE against its closed form, dense and in float64."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from components.contracts import Catalogue, FloatArray, Interactions, Users
from components.errors import ContractError
from components.params import EaseParams, PopularityParams
from components.recommenders import ease
from components.recommenders.ease import EaseRecommender, ease_weights, keep_largest, most_popular

PARAMS = EaseParams(l2=5.0, recency=0.5, max_items=100, max_weights_per_item=100)
POPULARITY = PopularityParams(half_life_days=14)
World = tuple[Interactions, Catalogue, Users]


def closed_form(seen: FloatArray, l2: float) -> FloatArray:
    """B = I - P diag(1 / diag P), P the inverse of the regularised item-item matrix."""
    inverse = np.linalg.inv(seen.T.astype(np.float64) @ seen + l2 * np.eye(seen.shape[1]))
    return np.eye(len(inverse)) - inverse / np.diag(inverse)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0.5, 500), st.sampled_from([1, 3, 1024]))
def test_weights_are_the_closed_form_in_blocks_of_any_size(seed: int, n_items: int, l2: float, rows: int) -> None:
    seen = np.random.default_rng(seed).binomial(1, 0.3, (20, n_items)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ease, "BLOCK_ROWS", rows)
        weights = ease_weights(csr_matrix(seen), l2)
    np.testing.assert_allclose(weights, closed_form(seen, l2), rtol=1e-3, atol=1e-5)
    assert weights.dtype == np.float32
    assert not weights.diagonal().any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 3), st.floats(0.5, 500))
def test_few_users_give_the_closed_form(seed: int, n_users: int, n_empty: int, l2: float) -> None:
    seen = np.random.default_rng(seed).binomial(1, 0.3, (n_users, 4 * n_users + 1)).astype(np.float32)
    seen[0, 0] = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ease, "_weights_by_items", None)
        weights = ease_weights(csr_matrix(np.vstack([seen, np.zeros((n_empty, seen.shape[1]), np.float32)])), l2)
    np.testing.assert_allclose(weights, closed_form(seen, l2), rtol=1e-3, atol=1e-5)
    assert weights.dtype == np.float32


def test_as_many_users_as_items_invert_the_item_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "_weights_by_users", None)
    seen = np.eye(7, dtype=np.float32)
    np.testing.assert_allclose(ease_weights(csr_matrix(seen), 1.0), np.zeros((7, 7)), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([2, 1024]))
def test_the_largest_weights_of_each_item_stay(seed: int, keep: int, rows: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(7, 7)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ease, "BLOCK_ROWS", rows)
        kept = keep_largest(weights, keep).toarray()
    for row in range(7):
        best = np.argsort(-np.abs(weights[row]))[:keep]
        assert set(np.flatnonzero(kept[row])) == set(best.tolist())
        np.testing.assert_array_equal(kept[row, best], weights[row, best])


def test_sparse_scores_are_the_dense_ones(world: World) -> None:
    events, _, users = world
    model = EaseRecommender(PARAMS, POPULARITY).fit(*world)
    seen = np.zeros((events.n_users + 1, events.n_items + 1), np.float32)
    seen[events.user_idx, events.item_idx] = 1
    sold = seen.any(axis=0)
    dense = np.zeros((len(sold), len(sold)))
    dense[np.ix_(sold, sold)] = closed_form(seen[:, sold], 5.0)
    for row in range(len(users)):
        items = users.history.row(row)
        history = np.zeros(len(sold))
        history[items] = 0.5 ** np.arange(len(items) - 1, -1, -1)
        np.testing.assert_allclose(model.score(users)[row], history @ dense, atol=1e-5)


def test_repeated_purchases_count_once(world: World, events_of: Callable[..., Interactions]) -> None:
    rows = [(1, 1, "purchase", 1.0, 2.0), (1, 2, "purchase", 1.0, 1.0), (2, 1, "purchase", 1.0, 1.0)]
    again = [rows[0]] * 5 + rows[1:]
    once, often = (
        EaseRecommender(PARAMS, POPULARITY).fit(events_of(r, 2, 20), world[1], world[2]).weights for r in (rows, again)
    )
    np.testing.assert_array_equal(once.toarray(), often.toarray())


def test_the_order_of_users_does_not_matter(world: World) -> None:
    events, catalogue, users = world
    turned = (events.n_users + 1 - events.user_idx).astype(np.int32)
    order = np.argsort(turned, kind="stable")
    columns = {c: getattr(events, c)[order] for c in ("item_idx", "timestamp", "event", "weight")}
    other = Interactions(turned[order], **columns, n_users=events.n_users, n_items=events.n_items, now=events.now)
    one = EaseRecommender(PARAMS, POPULARITY).fit(events, catalogue, users)
    two = EaseRecommender(PARAMS, POPULARITY).fit(other, catalogue, users)
    np.testing.assert_allclose(one.weights.toarray(), two.weights.toarray(), atol=1e-6)


def test_only_the_most_popular_items_enter(world: World) -> None:
    model = EaseRecommender(PARAMS.model_copy(update={"max_items": 6}), POPULARITY).fit(*world)
    sales = np.bincount(world[0].item_idx, minlength=21)
    chosen = set(np.argsort(-sales, kind="stable")[:6].tolist())
    assert len(set(model.weights.indices)) > 1
    assert set(model.weights.indices) <= chosen
    assert np.isfinite(model.score(world[2])).all()


def test_items_without_events_are_left_out() -> None:
    seen = csr_matrix(np.array([[0, 1, 0, 2], [0, 0, 0, 1]], np.float32))
    assert most_popular(seen, 9).tolist() == [1, 3]
    assert most_popular(seen, 1).tolist() == [3]


def test_the_error_for_a_singular_matrix_names_the_parameter() -> None:
    twins = csr_matrix(np.full((2000, 2), 30.0, np.float32))
    with pytest.raises(ContractError, match=r"raise models\.ease\.l2"):
        ease_weights(twins, 1e-9)
