"""Items without events: their neighbours by text, the change of their scores, and its cost in NDCG."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.errors import ContractError
from components.params import HybridParams, Params
from components.recommenders.cold_items import ColdItemSmoother, joint_vectors
from components.recommenders.factory import create, load_model
from components.recommenders.hybrid import HybridRecommender
from tests.components.recommenders.support import Oracle
from tests.support import ragged


def catalogue_of(vectors: list[list[float]]) -> Catalogue:
    """Return products whose texts are these directions; row 0 is padding."""
    n = len(vectors) + 1
    rows = np.array([[0.0] * len(vectors[0]), *vectors], np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = [""] * n
    price = np.full(n, np.nan, np.float32)
    unit = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return Catalogue(empty, empty, empty, empty, empty, empty, price, unit)


@pytest.fixture
def sold(events_of: Callable[..., Interactions]) -> Interactions:
    """Items 1 and 2 are sold, 1 more often; 3 to 5 never."""
    rows = [(1, 1, "purchase", 1.0, 1.0), (2, 1, "purchase", 1.0, 1.0), (3, 2, "purchase", 1.0, 1.0)]
    return events_of(rows, n_users=3, n_items=5)


World = tuple[Interactions, Catalogue, Users]
TEXTS = [[1, 0], [0, 1], [1, 0.01], [1, 1], [0, 0]]  # 3 is similar to 1, 4 is similar to both, 5 has no text


def test_a_cold_item_gets_the_mean_score_of_similar_texts(sold: Interactions) -> None:
    smoother = ColdItemSmoother.of(sold, catalogue_of(TEXTS), pool=9)
    assert smoother.items.tolist() == [3, 4]  # without text there are no neighbours
    scores = np.array([[0, 1.0, 0.2, -0.5, -0.5, -0.5]], np.float32)
    smoothed = smoother.smooth(scores.copy(), 1.0)
    assert smoothed[0, [0, 1, 2, 5]].tolist() == scores[0, [0, 1, 2, 5]].tolist()
    assert smoothed[0, 3] == pytest.approx(1.0, abs=1e-3)
    assert smoothed[0, 4] == pytest.approx(0.6, abs=1e-3)
    np.testing.assert_allclose(smoother.smooth(scores.copy(), 0.25), 0.75 * scores + 0.25 * smoothed, rtol=1e-6)
    assert np.array_equal(smoother.smooth(scores.copy()), scores)  # the default blend weight is 0


def test_only_the_items_with_most_events_are_neighbours(sold: Interactions) -> None:
    smoother = ColdItemSmoother.of(sold, catalogue_of(TEXTS), pool=1)
    assert set(smoother.neighbours.ravel().tolist()) == {1}


def test_without_cold_items_nothing_changes(sold: Interactions) -> None:
    everything = replace(sold, item_idx=np.array([1, 2, 3], np.int32), n_items=3)
    smoother = ColdItemSmoother.of(everything, catalogue_of(TEXTS[:3]), pool=9)
    scores = np.ones((2, 4), np.float32)
    assert len(smoother.items) == 0
    assert np.array_equal(smoother.smooth(scores.copy(), 1.0), scores)


def test_embeddings_are_needed(sold: Interactions) -> None:
    with pytest.raises(ContractError, match="embeddings of 6 rows"):
        ColdItemSmoother.of(sold, replace(catalogue_of(TEXTS), embedding=None), pool=9)


class Known(Oracle):
    """Scores the user's item highest among items 1..30, and all items above 30 with 0."""

    def __init__(self) -> None:
        super().__init__(0)

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        scores = np.random.default_rng(1).random((len(users), 61)).astype(np.float32)
        scores[:, 31:] = 0
        scores[np.arange(len(users)), users.history.item_idx] += 20
        return scores if items is None else scores[:, items]


def blend_of(cold_items_are_taken: bool, weight: float) -> HybridRecommender:
    """Blend a model that knows items 1..30 only; item 30 + i has the text of item i, and users take one of the two."""
    knobs = {"parts": ["ease"], "candidates": 10, "max_users": 500, "min_slice_users": 10, "min_gain": 0.01}
    params = HybridParams.model_validate(knobs | {"cold_item_max_ndcg_loss": 0.01, "cold_item_neighbour_pool": 50})
    had = [[1 + i % 20] for i in range(80)]
    taken = [[30 + item] for (item,) in had] if cold_items_are_taken else had
    users = Users(np.zeros(80, np.int32), ragged(had), 10**12, ragged(taken, 10**12))
    items = np.arange(31, 61, dtype=np.int32)
    neighbours = items[:, None] - 30
    smoother = ColdItemSmoother(items, neighbours, np.full(neighbours.shape, weight, np.float32), 60)
    model = HybridRecommender({"known": Known()}, params, 2, exclude_seen=cold_items_are_taken)
    return model.blend(users, 60, smoother)


def test_cold_items_get_the_largest_weight_that_helps() -> None:
    model = blend_of(cold_items_are_taken=True, weight=1.0)
    assert model.smoother is not None
    assert model.smoother.blend_weight == model.metrics["cold_item_blend_weight"] == 1.0
    assert model.metrics["out_of_fold/ndcg_at_10"] > 0.9 > model.metrics["in_fold/ndcg_at_10"]  # before smoothing
    users = Users(np.zeros(1, np.int32), ragged([[7]]), 10**12)
    assert model.recommend(users, 1).items.tolist() == [[37]]
    items = np.arange(1, 61, dtype=np.int32)
    total = sum(model.contributions(users, items).values())
    np.testing.assert_allclose(total, model.score(users, items), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("weight", "share"), [(1.2, 0.75), (8.0, 0.0)])
def test_cold_items_get_no_weight_that_costs_ndcg(weight: float, share: float) -> None:
    """A cold item with 1.2 of its neighbour's score would rank above it, but users take the neighbour."""
    model = blend_of(cold_items_are_taken=False, weight=weight)
    assert model.metrics["cold_item_blend_weight"] == share
    assert (model.smoother is None) == (share == 0)


def test_the_smoother_is_saved(tmp_path: Path, world: tuple[Interactions, Catalogue, Users], params: Params) -> None:
    """The checkerboard's last item was never sold, and its text is similar to the even ones."""
    knobs = params.models.hybrid.model_copy(update={"parts": ["ease"], "cold_item_max_ndcg_loss": 1.0})
    models = params.models.model_copy(update={"hybrid": knobs})
    model = create("hybrid", params.model_copy(update={"models": models})).fit(*world)
    assert isinstance(model, HybridRecommender)
    assert model.smoother is not None
    assert model.smoother.items.tolist() == [20]
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.score(world[2]), model.score(world[2]))
    scores = again.score(world[2])[1:]
    even = world[2].user_idx[1:] % 2 == 0
    assert scores[even, 20].min() > scores[~even, 20].max()


def test_pictures_find_neighbours_where_texts_do_not(sold: Interactions) -> None:
    looks = np.array([[0, 0], [1, 0], [0, 1], [0, 0], [0, 0], [0, 1]], np.float32)  # 5 has a picture like that of 2
    catalogue = replace(catalogue_of(TEXTS), vectors={"picture": looks})
    smoother = ColdItemSmoother.of(sold, catalogue, pool=1)
    assert smoother.items.tolist() == [3, 4, 5]
    both = ColdItemSmoother.of(sold, catalogue, pool=9)
    scores = np.array([[0, 1.0, 0.2, 0, 0, 0]], np.float32)
    assert both.smooth(scores.copy(), 1.0)[0, 5] == pytest.approx(0.2, abs=1e-3)


def test_joint_vectors_have_length_1_and_count_what_both_items_have() -> None:
    text = np.array([[0, 0], [1, 0], [0, 1], [1, 0]], np.float32)
    joint = joint_vectors(text, {"picture": np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.float32)})
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1), [0, 1, 1, 1])
    assert joint[1] @ joint[2] == pytest.approx(0.5)  # other texts, one picture
    assert joint[1] @ joint[3] == pytest.approx(1 / np.sqrt(2))  # one text; 3 has no picture
    assert joint_vectors(text, None) is text
