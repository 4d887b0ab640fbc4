"""Profiles and chances of a history, by the code that made those of training."""

from pathlib import Path

import numpy as np
import pytest

from components.release.bundle import Bundle, open_bundle
from components.serving.inference.online_features import OnlineFeatures
from components.serving.inference.recommendations import Row, user_of
from components.serving.storage.event_store import StoredEvent


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
