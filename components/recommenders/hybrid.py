"""The blend: one weighted sum of the other models' scores, with weights of its own for cold and for warm users."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.errors import ContractError
from components.evaluation.protocol import every_nth, without_seen
from components.evaluation.slices import cold_users
from components.params import Hybrid, Section
from components.recommenders.base import BaseRecommender
from components.recommenders.blending import Pool, gather, learn, ndcg, scaled
from components.recommenders.histories import pick
from components.recommenders.storage import Stored, write_model

SLICES = ("cold", "warm")  # users with few events, users with more


class Blend(Section):
    """What a saved blend consists of, beside its weights."""

    parts: list[str]
    cold_user_events: int
    exclude_seen: bool


class HybridRecommender(BaseRecommender):
    """Scores are weighted sums of what the parts say, each part on a scale of its own; useless parts are not kept."""

    name: ClassVar[str] = "hybrid"

    def __init__(
        self, parts: Mapping[str, Recommender], params: Hybrid, cold_user_events: int, exclude_seen: bool
    ) -> None:
        """Parts may be fitted already: then `blend` is all that is left to do."""
        self.parts, self.params = dict(parts), params
        self.cold_user_events, self.exclude_seen = cold_user_events, exclude_seen
        self.weights = np.zeros((len(SLICES), len(self.parts)), np.float32)
        self.found: dict[str, float] = {}

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Fit every part, then blend them on the validation users."""
        for part in self.parts.values():
            part.fit(interactions, items, users)
        return self.blend(users, interactions.n_items)

    def blend(self, users: Users, n_items: int) -> Self:
        """Learn the weights on users with targets, and let go of parts without any.

        Raises ContractError where no user has a target left.
        """
        asked = without_seen(users) if self.exclude_seen else users
        if not len(asked):
            raise ContractError("hybrid: nobody in the validation window has a target left; widen it")
        asked = every_nth(asked, self.params.max_users)
        self.n_items = n_items
        pool = gather(list(self.parts.values()), asked, self.params.candidates, self.exclude_seen, self.batch_users)
        overall = learn(pool, self.params.min_gain)
        self.found = {"ndcg_at_10": ndcg(pool, overall)}
        cold = cold_users(asked, self.cold_user_events)
        for row, mine in enumerate((cold, ~cold)):
            part = pool.of(mine)
            self.weights[row] = self._of_slice(part, overall)
            if mine.any():
                self.found[f"{SLICES[row]}/ndcg_at_10"] = ndcg(part, self.weights[row])
        self._keep((self.weights > 0).max(axis=0))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return weighted sums; about 0 for the mean item, about 1 for the best."""
        weights = self._weights(users)  # (n_users, n_parts)
        total = np.zeros((len(users), self.n_items + 1), np.float32)
        for column, part in enumerate(self.parts.values()):
            total += weights[:, column, None] * scaled(part.score(users))
        return pick(total, items)

    def why(self, users: Users, items: IntArray) -> dict[str, FloatArray]:
        """Return for each part (n_users, len(items)) what it adds to the scores; they sum up to `score`."""
        weights = self._weights(users)
        return {
            name: weights[:, column, None] * pick(scaled(part.score(users)), items)
            for column, (name, part) in enumerate(self.parts.items())
        }

    def save(self, folder: Path) -> None:
        """Write the parts in folders of their own, then the weights."""
        for name, part in self.parts.items():
            part.save(folder / "parts" / name)
        blend = Blend(parts=list(self.parts), cold_user_events=self.cold_user_events, exclude_seen=self.exclude_seen)
        settings = {"params": self.params, "blend": blend}
        write_model(folder, self.name, 1, self.n_items, settings, {"weights": self.weights})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        from components.recommenders.library import load_model

        stored = Stored(folder, cls.name, 1)
        blend = stored.section("blend", Blend)
        parts = {name: load_model(folder / "parts" / name) for name in blend.parts}
        model = cls(parts, stored.section("params", Hybrid), blend.cold_user_events, blend.exclude_seen)
        model.n_items, model.weights = stored.n_items, stored.array("weights", (len(SLICES), len(parts)))
        return model

    def _weights(self, users: Users) -> FloatArray:
        """Return (n_users, n_parts) the weights of each user's slice."""
        return self.weights[np.where(cold_users(users, self.cold_user_events), 0, 1)]

    def _of_slice(self, part: Pool, overall: FloatArray) -> FloatArray:
        """Return weights of the slice's own where it has enough users and they gain by it, else the overall ones."""
        if len(part.n_targets) < self.params.min_slice_users:
            return overall
        own = learn(part, self.params.min_gain, start=overall)
        return own if ndcg(part, own) > ndcg(part, overall) * (1 + self.params.min_gain) else overall

    def _keep(self, used: BoolArray) -> None:
        self.parts = {name: part for (name, part), use in zip(self.parts.items(), used, strict=True) if use}
        self.weights = self.weights[:, used]
