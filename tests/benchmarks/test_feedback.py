"""Lists of the feedback loop hold no seen product, say how likely they were, and change what is learned next."""

import numpy as np
import pytest

from components.contracts import Users
from components.params import Params, load
from components.times import DAY_S
from tests.benchmarks.bench_feedback import (
    EXPOSURE,
    N_RANDOM,
    START_DAYS,
    K,
    Shop,
    Variant,
    interactions,
    lists_of,
    rates,
    show,
    start,
    truth_of,
    users_of,
)
from tests.support import ROOT

END = START_DAYS * DAY_S


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["shop.n_users=40", "shop.n_items=60", "shop.new_share=0"])


@pytest.fixture(scope="module")
def shop(params: Params) -> Shop:
    return start(params, 1)


def variant(shop: Shop, **changes: object) -> Variant:
    return Variant("rates", rates(shop.catalogue), EXPOSURE, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def users(shop: Shop) -> Users:
    return users_of(interactions(shop, variant(shop), END), 200)


def test_lists_are_the_best_unseen_products_and_random_others(shop: Shop, users: Users) -> None:
    scores = truth_of(shop.world)
    lists, propensity = lists_of(scores, users, N_RANDOM, np.random.default_rng(0))
    assert lists.shape == propensity.shape == (40, K)
    for row in range(len(users)):
        assert len({*lists[row]}) == K
        assert not {*lists[row]} & {*users.history.row(row), 0}
        left = 60 - len({*users.history.row(row)}) - (K - N_RANDOM)
        assert propensity[row, -1] == pytest.approx(N_RANDOM / left)
    assert (propensity[:, :-N_RANDOM] == 1).all()
    certain, chances = lists_of(scores, users, 0, np.random.default_rng(0))
    assert (certain[:, : K - N_RANDOM] == lists[:, :-N_RANDOM]).all()
    assert (chances == 1).all()


def test_own_lists_count_for_nothing_but_the_events_that_followed(shop: Shop, users: Users) -> None:
    lists, propensity = lists_of(truth_of(shop.world), users, 0, np.random.default_rng(0))
    after = show(shop, lists, propensity, END + 1)
    before, plain, alike = (
        interactions(one, variant(shop, ignores_propensity=ignores), END + DAY_S)
        for one, ignores in ((shop, False), (after, False), (after, True))
    )
    assert len(plain) > len(before)
    assert before.shown is not None
    assert plain.shown is not None
    assert alike.shown is not None
    assert len(plain.shown) == len(before.shown)
    assert len(alike.shown) == len(before.shown) + lists.size
    assert alike.shown.weight.tolist() == pytest.approx([EXPOSURE] * len(alike.shown))


def test_a_product_that_is_shown_and_never_taken_loses(shop: Shop, users: Users) -> None:
    lists = np.full((40, K), 7, np.int32)
    quiet = show(shop, lists, np.ones(lists.shape, np.float32), END + 1)
    quiet.log["event"][quiet.log["second"] > END] = "impression"  # nobody takes it
    own = variant(shop, ignores_propensity=True)
    first, later = (own.score(interactions(one, own, END + DAY_S), users) for one in (shop, quiet))
    rank = [(scores[:, 1:] > scores[:, 7:8]).sum(axis=1).mean() for scores in (first, later)]
    assert rank[1] > rank[0]
