"""Profiles and chances of a history, by the code that made those of training."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue
from components.release.bundle import Bundle, open_bundle
from components.serving.inference.online_features import OnlineFeatures, attributes
from components.serving.inference.recommendations import Row, user_of
from components.serving.storage.event_store import StoredEvent

NAN = float("nan")


@pytest.fixture
def online_features(bundle: Path) -> OnlineFeatures:
    return OnlineFeatures(open_bundle(bundle))


def happened(*items: int, event: str = "view") -> list[StoredEvent]:
    return [StoredEvent("ann", 1_000_000 * (n + 1), f"sku-{i}", event, 1.0, 5.0) for n, i in enumerate(items)]


def test_a_profile_counts_what_happened(online_features: OnlineFeatures) -> None:
    rows = [*happened(1, 3), *happened(1, event="purchase")]
    told = online_features.profile(rows, 10_000_000)
    assert told is not None
    assert (told["user_id"], told["frequency"], told["value"]) == ("ann", 1, 5.0)
    assert online_features.profile([], 10_000_000) is None
    assert online_features.profile(rows, 1) is None  # nothing had happened yet


def test_an_older_bundle_makes_no_profiles(online_features: OnlineFeatures) -> None:
    info = online_features.bundle.info.model_copy(update={"profiles": None})
    assert (
        OnlineFeatures(Bundle(online_features.bundle.folder, online_features.bundle.digest, info)).profile(
            happened(1), 10**9
        )
        is None
    )


def test_without_a_ranker_there_are_no_chances(online_features: OnlineFeatures) -> None:
    user = user_of(online_features.bundle, [Row("sku-1", "view", None)])
    assert online_features.chances(user, None, np.array([1], np.int32)) is None


def test_price_percentiles_are_those_of_the_top_category() -> None:
    items = Catalogue(
        item_id=["", "a", "b", "c", "d", "e"],
        title=[""] * 6,
        text=[""] * 6,
        brand=["", "X", " ", "", "", ""],
        category=["", "Home > Tea", "Home > Tea", "Home", "Toys", ""],
        language=[""] * 6,
        price=np.array([NAN, 1, 3, 3, NAN, 9], np.float32),
    )
    found = attributes(items)
    assert found["a"].price_percentile == pytest.approx(1 / 6)
    assert found["b"].price_percentile == found["c"].price_percentile == pytest.approx(2 / 3)
    assert found["d"].price_percentile is None
    assert found["e"].price_percentile is None
    assert (found["a"].brand, found["b"].brand, found["a"].category) == ("X", None, "Home > Tea")
    assert json.dumps(found["b"].category) == '"Home > Tea"'
