"""The stage `profile` on a tiny simulated shop: its files, its metrics, and the features that models read."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.data.tables import read_info
from components.profiles import features
from components.stages import ingest, profile, resolve, split
from tests.components.stages.support import no_reviews

TINY = "shop.n_users=40\nshop.n_items=60"


@pytest.fixture
def checkout(enter: Callable[[str], Path]) -> Path:
    folder = enter(TINY)
    no_reviews(Path("features"))
    for stage in (resolve, ingest, split, profile):
        stage.main()
    return folder


def test_from_the_shop_to_features(checkout: Path) -> None:
    info = read_info(Path("data/split"))
    read = features.read_features(Path("profiles"), Path("data/split"))
    assert features.read_profile_info(Path("profiles")).cut == info.train_end
    assert read.users.shape == (info.n_users + 1, len(read.user_columns))
    assert read.items.shape == (info.n_items + 1, len(read.item_columns))
    for matrix, columns in ((read.users, read.user_columns), (read.items, read.item_columns)):
        views = columns.index("view_90d")
        assert np.isfinite(matrix).all()
        known = matrix[:, -1] == 1
        assert not known[0]
        np.testing.assert_allclose(matrix[known, views].mean(), 0, atol=0.2)  # standardised
        assert 0.5 < matrix[known, views].std() < 1.5
    metrics = json.loads((checkout / "reports/profile/metrics.json").read_text())
    assert 20 < metrics["users"] <= 40
    assert metrics["items"] / 60 == metrics["items/per_split_row"]
    assert metrics["items/with/price"] == 1.0
    assert 0 < metrics["users/with/sentiment"] < 1
    before = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path("profiles").iterdir()}
    profile.main()
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path("profiles").iterdir()} == before
