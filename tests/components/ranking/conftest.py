"""Inputs and examples of a small world in which users click on the products of their parity."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from components.params import Params, RankingParams, load
from components.ranking.examples import Examples
from components.ranking.features import AttributeAffinity, RankerInputs
from tests.components.ranking.support import DIM, N_ITEMS, N_USERS, shown
from tests.support import ROOT


@pytest.fixture(scope="session")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["ranking.batch_size=64", "ranking.max_epochs=6"])


@pytest.fixture(scope="session")
def knobs(params: Params) -> RankingParams:
    return params.ranking


@pytest.fixture(scope="session")
def known() -> RankerInputs:
    """Texts point to the parity; profiles are noise; of two attributes, one is the parity, one constant."""
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
    cares = AttributeAffinity(parity, csr_matrix(weight))
    nothing = AttributeAffinity(np.zeros(N_ITEMS + 1, np.int32), csr_matrix(np.zeros((N_USERS + 1, 1), np.float32)))
    return RankerInputs(text["user"], text["item"], *profiles, cares, nothing)


@pytest.fixture(scope="session")
def examples() -> Examples:
    return shown(4000, seed=1)
