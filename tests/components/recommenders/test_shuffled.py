"""With shuffled labels every model is at chance; a better one would have access to the test window."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank
from components.params import Params
from components.recommenders.factory import MODELS, create, model_class
from components.times import DAY_US
from tests.components.recommenders.support import every_model
from tests.support import checkerboard, ragged

World = tuple[Interactions, Catalogue, Users]
N_USERS, N_ITEMS, K = 300, 60, 10


@lru_cache
def worlds(shuffled: bool) -> tuple[World, Users]:
    """Return a checkerboard and its test: one product of each user's colour that is not in the other windows.

    Shuffled: each event of training, validation and test is of a product drawn uniformly.
    """
    events, catalogue, users = checkerboard(N_USERS, N_ITEMS)
    rng = np.random.default_rng(1)
    past = [events.item_idx[events.user_idx == user].tolist() for user in range(1, N_USERS + 1)]
    future = [users.ground_truth.row(user).tolist() for user in range(1, N_USERS + 1)]
    last = []
    for user, (had, next_ones) in enumerate(zip(past, future, strict=True), start=1):
        if shuffled:
            drawn = (rng.permutation(N_ITEMS)[: len(had) + len(next_ones) + 1] + 1).tolist()
            had[:], next_ones[:] = drawn[: len(had)], drawn[len(had) : -1]
            last.append([drawn[-1]])
        else:
            own = [i for i in range(1, N_ITEMS) if i % 2 == user % 2 and i not in had and i not in next_ones]
            last.append([int(rng.choice(own))])
    who = np.arange(1, N_USERS + 1, dtype=np.int32)
    train = replace(events, item_idx=ragged(past).item_idx)
    validation = Users(who, ragged(past), 10 * DAY_US, ragged(future, 10 * DAY_US))
    together = ragged([a + b for a, b in zip(past, future, strict=True)])
    return (train, catalogue, validation), Users(who, together, 20 * DAY_US, ragged(last, 20 * DAY_US))


def chance(users: Users) -> float:
    """Return the mean NDCG@K of lists drawn uniformly from a user's unseen items, one target each."""
    unseen = N_ITEMS - np.array([len(set(users.history.row(i).tolist())) for i in range(len(users))])
    return float((1 / np.log2(np.arange(2, K + 2))).sum() * (1 / unseen).mean())


@every_model
@pytest.mark.parametrize("shuffled", [True, False])
def test_models_on_shuffled_labels_are_at_chance(name: str, shuffled: bool, params: Params) -> None:
    world, test = worlds(shuffled)
    lists = rank(create(name, params).fit(*world), test, K, True, N_ITEMS, 256)
    values = per_user(lists, test.ground_truth, [K])["ndcg_at_10"]
    error = values.std(ddof=1) / np.sqrt(len(values))
    distance = (float(values.mean()) - chance(test)) / error
    if shuffled:
        assert abs(distance) < 3.5
    elif model_class(name).is_personal and not MODELS[name].repeats_only:  # seen items are excluded here
        assert distance > 5
