"""Features of a user at request time: the profile, by the code of training, and the ranker's probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts import FloatArray, IntArray, Users
from components.profiles.features import Scaling, read_profile_info
from components.profiles.live import LiveProfiles, ProfileEvent, ProfileState, item_attributes
from components.release.bundle import Bundle
from components.serving.inference.recommendations import item_idx_of
from components.serving.schemas import ItemProbabilities
from components.serving.storage.event_store import StoredEvent

TASKS = ("click", "cart", "purchase")


class OnlineFeatures:
    """Profiles and probabilities from one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @cached_property
    def live_profiles(self) -> LiveProfiles | None:
        """Return the computation of profiles; None where the bundle is too old to hold their parameters."""
        params = self.bundle.info.profiles
        return None if params is None else LiveProfiles(params, item_attributes(self.bundle.catalogue))

    @cached_property
    def scaling(self) -> Scaling | None:
        """Return the scaling of profiles to columns of the ranker; None without a ranker."""
        folder: Path = self.bundle.folder / "ranker"
        return read_profile_info(folder).users if (folder / "profiles.json").is_file() else None

    def profile(self, rows: Sequence[StoredEvent], now: int) -> dict[str, Any] | None:
        """Return the user's profile from the events before `now` (us); None without any."""
        if self.live_profiles is None or not rows:
            return None
        state = ProfileState(rows[0].user_id)
        for row in rows:
            event = ProfileEvent(row.user_id, row.item_id, row.at, row.event, row.quantity, row.price)
            state = self.live_profiles.update(state, event)
        return self.live_profiles.profile(state, now)

    def predict_proba(self, user: Users, profile: dict[str, Any] | None, items: IntArray) -> FloatArray | None:
        """Return (n, 3) probabilities of TASKS, nan for a task that the ranker lacks; None without a ranker."""
        ranker = self.bundle.ranker
        if ranker is None or self.scaling is None:
            return None
        examples = ranker.for_users(user, self.scaling.vector(profile)[None])
        probabilities = np.full((len(items), len(TASKS)), np.nan, np.float32)
        columns = [TASKS.index(task) for task in ranker.tasks]
        probabilities[:, columns] = examples.predict_proba(np.zeros(len(items), np.int32), items)
        return probabilities

    def rank_items(
        self, user: Users, profile: dict[str, Any] | None, item_ids: Sequence[str]
    ) -> list[ItemProbabilities] | None:
        """Return the products by the sum of their probabilities, unknown ones last; None without a ranker."""
        order = item_idx_of(self.bundle, item_ids)
        probabilities = self.predict_proba(user, profile, order)
        if probabilities is None:
            return None
        ranked = [
            ItemProbabilities(
                item_id=self.bundle.item_ids[order[n]],
                **{task: None if np.isnan(p) else float(p) for task, p in zip(TASKS, probabilities[n], strict=True)},
            )
            for n in np.argsort(-np.nan_to_num(probabilities).sum(axis=1), kind="stable")
        ]
        unknown = [item_id for item_id in dict.fromkeys(item_ids) if item_id not in self.bundle.index]
        return ranked + [ItemProbabilities(item_id=i, click=None, cart=None, purchase=None) for i in unknown]
