"""The item graph, and the output of attention over it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from components.contracts import Catalogue, Interactions, Users
from components.params import Params
from components.recommenders.factory import load_model
from components.recommenders.sequence.graph import CELLS, GraphAttention, item_graph
from components.recommenders.sequence.recommender import SequenceRecommender

World = tuple[Interactions, Catalogue, Users]
NOTHING = np.zeros((7, 2), np.float32)


@pytest.fixture
def taken(events_of: Callable[..., Interactions]) -> Interactions:
    """Items 1 and 2 have two users in common, 1 and 3 have one; 4 shares no user; 5 and 6 have no user."""
    pairs = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3), (4, 4)]
    return events_of([(user, item, "purchase", 1.0, 9.0) for user, item in pairs], n_users=4, n_items=6)


def test_neighbours_have_users_in_common(taken: Interactions) -> None:
    near, prior = item_graph(taken, NOTHING, 3)
    assert near[1].tolist() == [2, 3, 0]
    both = np.array([2 / np.sqrt(3 * 2), 1 / np.sqrt(3)])  # cosines of the users
    np.testing.assert_allclose(np.exp(prior[1, :2]), both / both.sum(), rtol=1e-5)
    assert np.isneginf(prior[1, 2])
    assert near[2].tolist() == [1, 0, 0]
    assert np.isneginf(prior[[0, 4, 5, 6]]).all()  # no item shares a user with these


def test_cold_items_have_neighbours_by_text(taken: Interactions) -> None:
    texts = NOTHING.copy()
    texts[1:] = [[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 0]]
    near, prior = item_graph(taken, texts, 2)
    assert near[5].tolist() == [1, 2]
    np.testing.assert_allclose(np.exp(prior[5]), [0.5, 0.5], rtol=1e-5)
    assert near[1].tolist() == [2, 3]  # common users outweigh similar texts
    assert np.isneginf(prior[6]).all()


def test_the_graph_does_not_depend_on_the_block_size(taken: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = item_graph(taken, NOTHING, 2)
    assert CELLS > 7 * 7
    monkeypatch.setattr("components.recommenders.sequence.graph.CELLS", 7 * 2)
    for one, other in zip(item_graph(taken, NOTHING, 2), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_attention_mixes_neighbours_and_is_zero_without_them(taken: Interactions) -> None:
    torch.manual_seed(0)
    layer = GraphAttention(item_graph(taken, NOTHING, 3), 8, 2)
    vectors = torch.randn(7, 8)
    added = layer(vectors)
    assert added.shape == (7, 8)
    assert not added[[0, 4, 5, 6]].any()
    torch.testing.assert_close(added[2], layer.value(vectors[1]))  # its only neighbour
    other = vectors.clone()
    other[4] += 1
    torch.testing.assert_close(layer(other), added)
    other[3] += 1
    changed = (layer(other) - added).abs().sum(dim=1) > 1e-6
    assert changed.tolist() == [False, True, False, False, False, False, False]  # 3 has only neighbour 1
    added.square().sum().backward()
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in layer.parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_with_an_item_graph_the_model_learns_and_is_saved(world: World, params: Params, tmp_path: Path) -> None:
    knobs = params.models.sequence.model_copy(update={"item_graph_neighbours": 4})
    model, again = (SequenceRecommender(knobs, params.trainer, 0, True).fit(*world) for _ in range(2))
    users = world[2]
    ranked = model.recommend(users, 3).items[1:]
    assert (ranked % 2 == (users.user_idx[1:] % 2)[:, None]).mean() > 0.95
    model.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).score(users), model.score(users))
    np.testing.assert_array_equal(again.vectors, model.vectors)
