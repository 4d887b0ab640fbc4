"""Features of users and products, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.profiles.features import Features
from components.ranking.features import ranker_inputs

World = tuple[Interactions, Catalogue, Users]


def profiles(events: Interactions) -> Features:
    columns = ("a", "known")
    users, items = (np.ones((n + 1, 2), np.float32) for n in (events.n_users, events.n_items))
    return Features(users, items, columns, columns)


def test_affinity_is_the_share_of_the_history(world: World) -> None:
    events, catalogue, _ = world
    category = [("even", "odd")[i % 2] for i in range(len(catalogue.item_id))]
    inputs = ranker_inputs(events, replace(catalogue, category=category), profiles(events), recency=1.0)
    user = int(events.user_idx[events.user_idx > 0][0])
    mine = events.user_idx == user
    weight, odd = events.weight[mine], events.item_idx[mine] % 2 == 1
    share = inputs.category.log_share(np.array([user, user, 0]), np.array([1, 2, 1]))
    total = weight.sum() + 1
    wanted = [(weight[odd].sum() + 0.5) / total, (weight[~odd].sum() + 0.5) / total, 0.5]
    np.testing.assert_allclose(np.exp(share), wanted, rtol=1e-5)


def test_texts_are_unit_vectors_and_zero_for_an_unknown_user(world: World) -> None:
    events, catalogue, _ = world
    inputs = ranker_inputs(events, catalogue, profiles(events), recency=0.9)
    assert not inputs.user_text[0].any()
    lengths = np.linalg.norm(inputs.user_text, axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
    one = np.array([1], np.int32)
    pair = inputs.batch(one, one, np.array([3], np.float32))
    assert float(pair.position) == pytest.approx(np.log(4))
    assert [tuple(column.shape) for column in pair] == [(1, inputs.sizes.text)] * 2 + [(1, 2), (1, 3), (1, 2), (1, 1)]


def test_profiles_or_embeddings_of_another_split_are_refused(world: World) -> None:
    events, catalogue, _ = world
    other = profiles(replace(events, n_users=events.n_users + 1))
    with pytest.raises(ContractError, match="rows, expected"):
        ranker_inputs(events, catalogue, other, recency=0.9)
    with pytest.raises(ContractError, match="run `encode`"):
        ranker_inputs(events, replace(catalogue, embedding=None), profiles(events), recency=0.9)
