"""Every model is fitted, saved and ranks where the shop has fewer products than a list has positions."""

from pathlib import Path

import numpy as np
import pytest

from components import params
from components.contracts import Catalogue, Interactions, Users
from components.recommenders.factory import MODELS, create, load_model
from components.times import DAY_US
from tests.support import ROOT, interactions_of, ragged

K = 20
PARAMS = params.load(
    ROOT / "params.yaml",
    overrides=[
        "recommend.exclude_seen=false",
        "trainer.max_epochs=1",
        "trainer.accelerator=cpu",
        "models.sequence.dim=16",
    ],
)


def tiny_shop(n_items: int, n_users: int, n_events: int) -> tuple[Interactions, Catalogue, Users]:
    """Return a shop in which the users have n_events each, and two targets."""
    rng = np.random.default_rng(7)
    past, future = ([[int(i) for i in rng.integers(1, n_items + 1, n)] for _ in range(n_users)] for n in (n_events, 2))
    history = ragged(past)
    interactions = interactions_of(history, n_items)
    embedding = rng.normal(0, 1, (n_items + 1, 8)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    embedding[0] = 0
    names = ["", *(f"thing {i}" for i in range(1, n_items + 1))]
    catalogue = Catalogue(
        item_id=names,
        title=names,
        text=names,
        brand=["", *["Acme"] * n_items],
        category=["", *["Food"] * n_items],
        language=["", *["en"] * n_items],
        price=np.concatenate([[np.nan], np.ones(n_items)]).astype(np.float32),
        embedding=embedding,
        vectors={"picture": embedding},
    )
    users = Users(np.arange(1, n_users + 1, dtype=np.int32), history, 10 * DAY_US, ragged(future, start=10 * DAY_US))
    return interactions, catalogue, users


@pytest.mark.parametrize(("n_items", "n_users", "n_events"), [(1, 1, 1), (3, 30, 3), (8, 1, 4), (9, 12, 1), (10, 2, 5)])
@pytest.mark.parametrize("name", MODELS)
def test_lists_of_a_small_shop_hold_all_its_products(
    name: str, n_items: int, n_users: int, n_events: int, tmp_path: Path
) -> None:
    interactions, catalogue, users = tiny_shop(n_items, n_users, n_events)
    create(name, PARAMS).fit(interactions, catalogue, users).save(tmp_path / name)
    ranked = load_model(tmp_path / name).recommend(users, K, exclude_seen=False)
    assert ranked.items.shape == (n_users, K)
    for row, scores in zip(ranked.items, ranked.scores, strict=True):
        assert sorted(row[:n_items]) == list(range(1, n_items + 1))
        assert not row[n_items:].any()
        assert np.isfinite(scores[:n_items]).all()
        assert np.isneginf(scores[n_items:]).all()
