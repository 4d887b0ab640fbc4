"""Profiles and probabilities from a history, by the code of training."""

from pathlib import Path

import numpy as np
import pytest

from components.release.bundle import Bundle, open_bundle
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.online_features import OnlineFeatures
from components.serving.storage.event_store import StoredEvent


@pytest.fixture
def online_features(bundle: Path) -> OnlineFeatures:
    return OnlineFeatures(open_bundle(bundle))


def stored_events(*items: int, event: str = "view") -> list[StoredEvent]:
    return [StoredEvent("ann", 1_000_000 * (n + 1), f"sku-{i}", event, 1.0, 5.0) for n, i in enumerate(items)]


def test_a_profile_counts_the_events_before_now(online_features: OnlineFeatures) -> None:
    rows = [*stored_events(1, 3), *stored_events(1, event="purchase")]
    profile = online_features.profile(rows, 10_000_000)
    assert profile is not None
    assert (profile["user_id"], profile["frequency"], profile["value"]) == ("ann", 1, 5.0)
    assert online_features.profile([], 10_000_000) is None
    assert online_features.profile(rows, 1) is None  # before the first event


def test_a_bundle_without_profile_parameters_makes_no_profiles(online_features: OnlineFeatures) -> None:
    info = online_features.bundle.info.model_copy(update={"profiles": None})
    assert (
        OnlineFeatures(Bundle(online_features.bundle.folder, online_features.bundle.digest, info)).profile(
            stored_events(1), 10**9
        )
        is None
    )


def test_without_a_ranker_there_are_no_probabilities(online_features: OnlineFeatures) -> None:
    user = build_user(online_features.bundle, [HistoryRow("sku-1", "view", None)])
    assert online_features.predict_proba(user, None, np.array([1], np.int32)) is None
