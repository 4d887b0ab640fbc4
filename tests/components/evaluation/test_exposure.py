"""Pushed products: who is suspect, and whose share of the lists rose."""

from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import EVENTS, Catalogue, Interactions, Users
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.exposure import NEW_DAYS, count_item_users, find_pushed, list_shares
from components.evaluation.protocol import rank, window_users
from components.params import Params, load
from components.recommenders.factory import create
from components.times import DAY_US
from tests.components.evaluation.fake_users import FILLERS, add_fake_users, buyers_of
from tests.support import ROOT

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


@pytest.mark.parametrize(("age", "suspects"), [(NEW_DAYS - 1, [45]), (NEW_DAYS, [])])
def test_a_product_of_new_users_is_suspect_whatever_else_they_take(age: int, suspects: list[int]) -> None:
    """All products are taken on day 200. Users viewed one first on day 1, eight of them `age` days before."""
    rows = honest() + [(user, item) for user in range(401, 409) for item in range(user - 400, 44, 8)]
    taken = replace(events(rows + [(user, 45) for user in range(401, 409)], 408), now=201 * DAY_US)
    taken.timestamp[:] = 200 * DAY_US
    views = taken.filter(np.unique(taken.user_idx, return_index=True)[1])
    views.event[:] = EVENTS.index("view")
    views.timestamp[:] = np.where(views.user_idx > 400, 200 - age, 1) * DAY_US
    columns = ("user_idx", "item_idx", "timestamp", "event", "weight")
    both = {name: np.concatenate([getattr(views, name), getattr(taken, name)]) for name in columns}
    assert count_item_users(replace(taken, **both)).suspects().tolist() == suspects


def test_in_a_shop_whose_users_are_all_new_nobody_is_suspect() -> None:
    counted = count_item_users(events(honest(), 400))
    assert (counted.n_new == counted.n_users).all()
    assert len(counted.suspects()) == 0


Shop = tuple[Params, Interactions, Catalogue, Users]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Return the simulated shop: parameters, training events, products, users of the test window."""
    params, split = load(ROOT / "params.yaml"), Path("data/split")
    with chdir(tmp_path_factory.mktemp("shop")):
        write_shop(params.shop, params.seed, Path("data/raw"))
        for name in ("snapshot", "split"):
            Path(f"data/{name}").mkdir()
        take_snapshot(params.data, Path(), Path("data/snapshot"), Path("data/quarantine"))
        make_split(Path("data/snapshot"), split, params.split, params.data.as_of, params.data.memory_gib)
        return params, read_interactions(split), read_catalogue(split), window_users(split, "test", exclude_seen=True)


@pytest.mark.slow
@pytest.mark.parametrize("n_times", [1, 20])
@pytest.mark.parametrize("fillers", FILLERS)
def test_whatever_fake_users_buy_beside_it_the_pushed_product_is_suspect(
    shop: Shop, fillers: str, n_times: int
) -> None:
    """One per cent of the users push a product that few have bought; without them no product is suspect."""
    _, events, catalogue, _ = shop
    product = int(np.argsort(-buyers_of(events), kind="stable")[1000])
    assert len(count_item_users(events).suspects()) == 0
    poisoned = add_fake_users(events, catalogue, product, fillers, n_times=n_times)
    assert count_item_users(poisoned).suspects().tolist() == [product]


@pytest.mark.slow
def test_a_product_that_is_bought_with_popular_ones_is_named_where_it_fills_the_lists(shop: Shop) -> None:
    params, events, catalogue, test = shop
    product = int(np.argsort(-buyers_of(events), kind="stable")[1000])
    poisoned = add_fake_users(events, catalogue, product, "popular")
    after, before = (
        rank(create("ease", params).fit(learned, catalogue, test), test, 10, True, events.n_items, 600)
        for learned in (poisoned, events)
    )
    found = find_pushed(count_item_users(poisoned), after, before, catalogue.item_id, 10)
    assert found is not None
    assert (found.item_id, found.n_alone) == (catalogue.item_id[product], 0)
    assert found.after > 0.1 > 0.02 > found.before
    assert found.n_new >= 9


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
