"""Words and vectors by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import MultimodalParams, PopularityParams, TfidfParams
from components.recommenders.multimodal import MultimodalRecommender
from components.recommenders.tfidf import TfidfRecommender

TEXTS = ["", "red tea", "red pot", "blue pot", "blue tea"]
VECTORS = {
    "picture": np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 0]], np.float32),
    "audio": np.array([[0], [1], [0], [0], [-1]], np.float32),
}


def fitted(
    events_of: Callable[..., Interactions], vectors: dict[str, np.ndarray] | None, gate: float = 0.5
) -> MultimodalRecommender:
    nothing = [""] * 5
    catalogue = Catalogue(nothing, nothing, TEXTS, nothing, nothing, nothing, np.full(5, np.nan, np.float32))
    words = TfidfRecommender(TfidfParams(recency=1.0), PopularityParams(half_life_days=14))
    model = MultimodalRecommender(MultimodalParams(gate=gate, recency=1.0), words)
    events = events_of([(1, 1, "purchase", 1.0, 2.0)], 1, 4)
    return model.fit(events, replace(catalogue, vectors=vectors), Users(np.zeros(0, np.int32), events.by_user(), 0))


def test_cosines_are_added_by_the_gate_as_the_mean_of_what_an_item_has(
    events_of: Callable[..., Interactions], users_of: Callable[..., Users]
) -> None:
    users = users_of([[1], [4], []])
    model = fitted(events_of, VECTORS)
    added = model.score(users) - model.words.score(users)
    np.testing.assert_allclose(added[0, 1:], [0.5, 0.5, 0.0, -0.5], atol=1e-3)  # item 1: both, 2: picture, 4: audio
    np.testing.assert_allclose(added[1, 1:], [-0.25, 0, 0, 0.5], atol=1e-3)  # item 4 has no picture
    np.testing.assert_allclose(added[2], 0)
    some = np.array([4, 2], np.int32)
    np.testing.assert_allclose(model.score(users, some), model.score(users)[:, some], atol=1e-6)


def test_what_is_missing_adds_nothing(events_of: Callable[..., Interactions], users_of: Callable[..., Users]) -> None:
    users = users_of([[4]])
    model = fitted(events_of, {"picture": VECTORS["picture"]})  # item 4 has none
    np.testing.assert_allclose(model.score(users), model.words.score(users))


def test_it_is_loaded_as_it_was_saved(
    events_of: Callable[..., Interactions], users_of: Callable[..., Users], tmp_path: Path
) -> None:
    model, users = fitted(events_of, VECTORS), users_of([[1, 3], []])
    model.save(tmp_path)
    np.testing.assert_array_equal(MultimodalRecommender.load(tmp_path).score(users), model.score(users))
    assert sorted(model.vectors) == ["audio", "picture"]


def test_a_catalogue_without_vectors_is_an_error(events_of: Callable[..., Interactions]) -> None:
    with pytest.raises(ContractError, match=r"neither pictures nor other vectors; check data\.pictures"):
        fitted(events_of, None)
