"""The attack finds who is in a model that remembers its users, and nobody in one that has not read them."""

import numpy as np
import pytest

from components.contracts import Interactions, Users
from tests.benchmarks.membership import MIN_EVENTS, QUERIES, attacked, halves, judge, signal

N_USERS, N_ITEMS, N_MODELS = 200, 50, 8


class Memory:
    """Scores a user's product higher where the user was in training; `strength` 0: it has read nothing."""

    def __init__(self, member: np.ndarray, strength: float, seed: int) -> None:
        self.member, self.strength, self.rng = member, strength, np.random.default_rng(seed)

    def score(self, users: Users) -> np.ndarray:
        scores = self.rng.normal(size=(len(users), N_ITEMS + 1))
        product = next_products(users)
        scores[np.arange(len(users)), product] += self.strength * self.member[users.user_idx]
        return scores


def shop() -> Interactions:
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(1, N_USERS + 1), 6).astype(np.int32)
    user[user == N_USERS] = N_USERS - 1  # the last user has no event, the one before has twice as many
    n = len(user)
    item = rng.integers(1, N_ITEMS + 1, n).astype(np.int32)
    return Interactions(user, item, np.arange(n), np.zeros(n, np.int8), np.ones(n, np.float32), N_USERS, N_ITEMS, n)


EVENTS = shop()
USERS, PRODUCT = attacked(EVENTS)


def next_products(users: Users) -> np.ndarray:
    assert len(users) == len(PRODUCT)
    return PRODUCT


def attack(strength: float) -> tuple[float, float]:
    member = halves(N_MODELS, N_USERS, 2)
    signals = np.stack([signal(Memory(row, strength, n), USERS, PRODUCT) for n, row in enumerate(member)])  # type: ignore[arg-type]
    return judge(signals, member[:, USERS.user_idx[::QUERIES]])


def test_the_attacker_knows_each_users_events_up_to_the_product_that_is_asked_for() -> None:
    histories = EVENTS.by_user()
    assert len(USERS) == QUERIES * (N_USERS - 1)
    assert MIN_EVENTS <= 6
    for row, product in enumerate(PRODUCT):
        own = histories.row(int(USERS.user_idx[row]))
        n = len(USERS.history.row(row))
        assert n == len(own) - 1 - row % QUERIES
        assert (USERS.history.row(row) == own[:n]).all()
        assert own[n] == product


def test_a_coin_decides_who_is_in_a_model() -> None:
    member = halves(N_MODELS, N_USERS, 3)
    assert member[:, 1:].mean() == pytest.approx(0.5, abs=0.05)
    assert member[:, 0].all()
    assert (member != halves(N_MODELS, N_USERS, 4)).any()


def test_a_model_that_remembers_is_found_and_the_more_so_the_more_it_remembers() -> None:
    strong, weak = attack(4.0), attack(0.7)
    assert strong[0] > 0.99
    assert strong[1] > 0.95
    assert strong[0] > weak[0] > 0.6


def test_a_model_that_has_read_nothing_gives_nothing_away() -> None:
    auc, at_one_percent = attack(0.0)
    assert auc == pytest.approx(0.5, abs=0.04)
    assert at_one_percent == pytest.approx(0.01, abs=0.015)
