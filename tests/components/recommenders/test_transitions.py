"""Directed transitions by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from components.contracts import Catalogue, Interactions, Users
from components.params import PopularityParams, TransitionsParams
from components.ragged import Ragged
from components.recommenders.transitions import TransitionsRecommender, count_transitions, moments_of
from components.times import DAY_US

PARAMS = TransitionsParams(recency=0.5, max_steps=2, step_decay=0.5, backward=0.25, damping=0.0)


def histories(*users: list[tuple[int, int]]) -> Ragged:
    """Each user: (item, day), oldest first."""
    rows = [row for user in users for row in user]
    n = len(rows)
    return Ragged(
        np.cumsum([0, *map(len, users)]),
        np.array([item for item, _ in rows], np.int32),
        np.array([day * DAY_US for _, day in rows], np.int64),
        np.zeros(n, np.int8),
        np.ones(n, np.float32),
    )


def counts(*users: list[tuple[int, int]], n_items: int = 4) -> list[list[float]]:
    found: list[list[float]] = count_transitions(histories(*users), n_items, PARAMS).toarray()[1:, 1:].tolist()
    return found


def test_what_comes_next_counts_by_steps_and_a_part_against_the_direction() -> None:
    assert counts([(1, 0), (2, 1), (3, 2), (4, 3)]) == [
        [0, 1, 0.5, 0],  # 4 is three steps after 1
        [0.25, 0, 1, 0.5],
        [0.125, 0.25, 0, 1],
        [0, 0.125, 0.25, 0],
    ]


def test_items_of_one_moment_have_no_order() -> None:
    basket = [(1, 0), (2, 0), (3, 0)]
    assert counts(basket) == counts(basket[::-1]) == [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert counts([(1, 0), (2, 0), (3, 1)]) == counts([(2, 0), (1, 0), (3, 1)])
    assert counts([(1, 0), (2, 0), (3, 1)])[0] == [0, 1, 1, 0]  # 3 is one step after both


def test_users_do_not_follow_each_other_and_repeats_are_one_event() -> None:
    assert counts([(1, 0)], [(2, 1)]) == np.zeros((4, 4)).tolist()
    assert counts([(1, 0), (1, 1), (1, 2), (2, 3)]) == counts([(1, 0), (2, 3)])
    assert counts([(1, 0), (2, 1), (1, 2)])[0][0] == 0  # an item does not follow itself


def test_counts_are_sums_over_users() -> None:
    rng = np.random.default_rng(0)
    users = [sorted(((int(i), int(d)) for i, d in rng.integers(1, 9, (12, 2))), key=lambda r: r[1]) for _ in range(9)]
    whole = count_transitions(histories(*users), 9, PARAMS)
    without = count_transitions(histories(*users[:4], *users[5:]), 9, PARAMS)
    np.testing.assert_allclose((whole - count_transitions(histories(users[4]), 9, PARAMS)).toarray(), without.toarray())


def test_a_returned_item_is_in_no_moment(users_of: Callable[..., Users]) -> None:
    history = users_of([[1, 2, 2]], [["purchase", "purchase", "return"]]).history
    moments, owner = moments_of(history, 2)
    assert moments.toarray()[owner == 0].sum(axis=0).tolist() == [0, 1, 0]


def fitted(events_of: Callable[..., Interactions], damping: float) -> TransitionsRecommender:
    rows = [(user, item, "purchase", 1.0, 5.0 - day) for user in (1, 2, 3) for day, item in enumerate((1, 2))]
    rows += [(4, 1, "purchase", 1.0, 5.0), (4, 3, "purchase", 1.0, 4.0)]
    params = PARAMS.model_copy(update={"damping": damping})
    texts = [""] * 5
    catalogue = Catalogue(texts, texts, texts, texts, texts, texts, np.full(5, np.nan, np.float32))
    model = TransitionsRecommender(params, PopularityParams(half_life_days=1e6))
    return model.fit(events_of(rows, 4, 4), catalogue, Users(np.zeros(0, np.int32), histories(), 0))


def test_scores_are_damped_logarithms_and_newer_moments_weigh_more(events_of: Callable[..., Interactions]) -> None:
    history = histories([(1, 0)], [(1, 0), (4, 1)], [(2, 0), (1, 1)], [])
    users = Users(np.arange(4, dtype=np.int32), history, 10 * DAY_US)
    scores = fitted(events_of, 0.0).score(users)
    np.testing.assert_allclose(scores[0, 2:], [np.log(4), np.log(2), 0], atol=1e-3)
    np.testing.assert_allclose(scores[1, 2:], scores[0, 2:] / 2, atol=1e-3)  # one moment ago
    np.testing.assert_allclose(scores[2, 1:3], [np.log(1.75) / 2, np.log(4)], atol=1e-3)
    assert scores[3].argsort()[::-1].tolist()[:2] == [1, 2]  # without history: by popularity
    damped = fitted(events_of, 1.0).score(users)
    np.testing.assert_allclose(damped[0, 2:4], [np.log(4) / 4, np.log(2) / 2], atol=1e-3)  # 3 and 1 in all, plus 1


def test_the_order_within_a_moment_changes_no_score(events_of: Callable[..., Interactions]) -> None:
    model = fitted(events_of, 0.2)
    history = histories([(1, 0), (2, 0), (3, 0)])
    turned = replace(history, item_idx=history.item_idx[::-1].copy())
    users = [Users(np.ones(1, np.int32), h, 10 * DAY_US) for h in (history, turned)]
    np.testing.assert_allclose(model.score(users[0]), model.score(users[1]))
