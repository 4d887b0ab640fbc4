"""A little world for the ranker: users like the products of their own parity."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from components.params import Params, RankingParams, load
from components.ranking.examples import Examples
from components.ranking.features import Cares, Known

N_USERS, N_ITEMS, DIM = 40, 30, 6
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["ranking.batch_size=64", "ranking.max_epochs=6"])


@pytest.fixture(scope="session")
def knobs(params: Params) -> RankingParams:
    return params.ranking


@pytest.fixture(scope="session")
def known() -> Known:
    """Texts point to the parity; profiles are noise; half of what a user cares for is the right category."""
    rng = np.random.default_rng(0)
    text = {}
    for name, n in (("user", N_USERS + 1), ("item", N_ITEMS + 1)):
        rows = 0.3 * rng.normal(size=(n, DIM))
        rows[:, 0] += np.where(np.arange(n) % 2, 1, -1)
        rows[0] = 0
        text[name] = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    profiles = [rng.normal(size=(n, 4)).astype(np.float32) for n in (N_USERS + 1, N_ITEMS + 1)]
    parity = (np.arange(N_ITEMS + 1) % 2).astype(np.int32)
    weight = np.zeros((N_USERS + 1, 2), np.float32)
    weight[np.arange(1, N_USERS + 1), np.arange(1, N_USERS + 1) % 2] = 3
    cares = Cares(parity, csr_matrix(weight))
    nothing = Cares(np.zeros(N_ITEMS + 1, np.int32), csr_matrix(np.zeros((N_USERS + 1, 1), np.float32)))
    return Known(text["user"], text["item"], *profiles, cares, nothing)


@pytest.fixture(scope="session")
def examples() -> Examples:
    return shown(4000, seed=1)


def shown(n: int, seed: int) -> Examples:
    """Draw what was shown: 6 of 10 of the right parity are clicked in the first place, 1 of 10 of the other."""
    rng = np.random.default_rng(seed)
    user = rng.integers(1, N_USERS + 1, n).astype(np.int32)
    item = rng.integers(1, N_ITEMS + 1, n).astype(np.int32)
    place = rng.integers(0, 10, n).astype(np.float32)
    chance = np.where(user % 2 == item % 2, 0.6, 0.1) / np.sqrt(1 + place)
    click = rng.random(n) < chance
    cart = click & (rng.random(n) < 0.5)
    bought = cart & (rng.random(n) < 0.5)
    labels = np.stack([click, cart, bought], axis=1).astype(np.float32)
    return Examples(user, item, place, np.arange(n, dtype=np.int64), labels)
