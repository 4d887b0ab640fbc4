"""Pushed products: who is suspect, and whose share of the lists rose."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts import EVENTS, Interactions
from components.evaluation.exposure import count_item_users, find_pushed, list_shares
from components.times import DAY_US

N_ITEMS = 50


def events(rows: list[tuple[int, int]], n_users: int) -> Interactions:
    """Each row: (user, item)."""
    users, items = np.array(sorted(rows), np.int32).T
    n = len(users)
    return Interactions(
        users,
        items,
        np.full(n, DAY_US),
        np.full(n, EVENTS.index("purchase"), np.int8),
        np.ones(n, np.float32),
        n_users,
        N_ITEMS,
        2 * DAY_US,
    )


def honest(n_users: int = 400, alone: float = 0.1, seed: int = 0) -> list[tuple[int, int]]:
    """Users with one to eight products; a share of them has one only. Few products are popular."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, N_ITEMS + 1) ** -1.0
    rows = []
    for user in range(1, n_users + 1):
        n = 1 if rng.random() < alone else int(rng.integers(2, 9))
        rows += [(user, int(i)) for i in rng.choice(np.arange(1, N_ITEMS + 1), n, False, weights / weights.sum())]
    return rows


def test_users_are_counted_once_and_anonymous_ones_not_at_all() -> None:
    counted = count_item_users(events([(0, 1), (0, 1), (1, 2), (1, 2), (2, 2), (2, 3)], 2))
    assert counted.n_users[:4].tolist() == [0, 0, 2, 1]
    assert counted.n_alone[:4].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("alone", [0.0, 0.1, 0.6])
def test_in_honest_shops_nothing_is_suspect(alone: float) -> None:
    found = [count_item_users(events(honest(alone=alone, seed=seed), 400)).suspects() for seed in range(30)]
    assert sum(map(len, found)) <= 1  # 30 x 0.01 expected at most


@pytest.mark.parametrize("n_events", [1, 20])
def test_a_product_of_users_who_took_nothing_else_is_suspect(n_events: int) -> None:
    fake = [(user, 45) for user in range(401, 409)] * n_events
    assert count_item_users(events(honest() + fake, 408)).suspects().tolist() == [45]


def test_views_of_other_products_hide_no_buyer() -> None:
    buyers = events(honest() + [(user, 45) for user in range(401, 409)], 408)
    viewed = [(user, item) for user in range(401, 409) for item in range(1, 20)]
    views = replace(events(viewed, 408), event=np.full(len(viewed), EVENTS.index("view"), np.int8))
    columns = ("user_idx", "item_idx", "timestamp", "event", "weight")
    both = {name: np.concatenate([getattr(buyers, name), getattr(views, name)]) for name in columns}
    assert count_item_users(replace(buyers, **both)).suspects().tolist() == [45]
    assert count_item_users(views).n_users[1] == 8  # a shop without purchases


def test_where_most_users_take_one_product_it_takes_more_of_them() -> None:
    few = count_item_users(events(honest(alone=0.9) + [(user, 45) for user in range(401, 405)], 404))
    assert len(few.suspects()) == 0


def test_a_product_that_becomes_popular_among_others_is_not_suspect() -> None:
    """Eight who took nothing else, beside more than twelve who did: their place in the lists is earned."""
    rows = honest()
    buyers = [user for user in range(1, 401) if (user, 45) in set(rows)]
    trend = [(user, 45) for user in range(1, 401, 16) if user not in buyers]
    fake = [(user, 45) for user in range(401, 409)]
    counted = count_item_users(events(rows + trend + fake, 408))
    assert counted.n_alone[45] >= 8
    assert counted.n_users[45] > 20
    assert len(counted.suspects()) == 0


def test_shares_count_lists_not_positions() -> None:
    lists = np.array([[1, 2, 3], [1, 3, 2], [2, 0, 0], [2, 1, 0]], np.int32)
    assert list_shares(lists, 3, 2).tolist() == [0.25, 0.75, 0.75, 0.25]


def test_the_suspect_that_rose_most_is_named() -> None:
    rows = honest() + [(user, 45) for user in range(401, 409)] + [(user, 46) for user in range(411, 419)]
    users = count_item_users(events(rows, 418))
    assert users.suspects().tolist() == [45, 46]
    ids = ["", *(f"P{i}" for i in range(1, N_ITEMS + 1))]
    before, after = np.full((10, 2), 1, np.int32), np.full((10, 2), 2, np.int32)
    before[:2, 1], after[:4, 1], after[4:5, 1] = 46, 46, 45
    pushed = find_pushed(users, after, before, ids, 2)
    assert pushed is not None
    assert pushed.item_id == "P46"
    assert pushed.n_users >= pushed.n_alone >= 8
    assert (pushed.before, pushed.after) == pytest.approx((0.2, 0.4))
    assert find_pushed(replace(users, n_alone=users.n_alone * 0), after, before, ids, 2) is None
