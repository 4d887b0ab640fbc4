"""What a history says of its user: the profile, by the code that made those of training, and the ranker's chances."""

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
from components.serving.storage.event_store import StoredEvent


class OnlineFeatures:
    """Profiles and chances by one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @cached_property
    def live(self) -> LiveProfiles | None:
        """Return what moves profiles on; None where the bundle is older than the service's profiles."""
        knobs = self.bundle.info.profiles
        return None if knobs is None else LiveProfiles(knobs, item_attributes(self.bundle.catalogue))

    @cached_property
    def scaling(self) -> Scaling | None:
        """Return how profiles became columns for the ranker; None without a ranker."""
        folder: Path = self.bundle.folder / "ranker"
        return read_profile_info(folder).users if (folder / "profiles.json").is_file() else None

    def profile(self, rows: Sequence[StoredEvent], now: int) -> dict[str, Any] | None:
        """Return the profile that the events before `now` (us) make; None without any."""
        if self.live is None or not rows:
            return None
        state = ProfileState(rows[0].user_id)
        for row in rows:
            told = ProfileEvent(row.user_id, row.item_id, row.at, row.event, row.quantity, row.price)
            state = self.live.update(state, told)
        return self.live.profile(state, now)

    def chances(self, user: Users, profile: dict[str, Any] | None, items: IntArray) -> FloatArray | None:
        """Return (n, 3) chances of a click, a cart and a purchase, nan where none is told; None without a ranker."""
        ranker = self.bundle.ranker
        if ranker is None or self.scaling is None:
            return None
        asked = ranker.for_users(user, self.scaling.vector(profile)[None])
        told = asked.probabilities(np.zeros(len(items), np.int32), items)
        chances = np.full((len(items), 3), np.nan, np.float32)
        chances[:, [("click", "cart", "purchase").index(task) for task in ranker.tasks]] = told
        return chances
