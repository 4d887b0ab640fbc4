"""The blend: one weighted sum of the other models' scores, with weights of its own for cold and for warm users."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.slices import cold_users
from components.params import HybridParams, Section
from components.recommenders.base import BaseRecommender, barred, top_k
from components.recommenders.blending import K, Pool, gather, learn, ndcg, scaled
from components.recommenders.cold_items import Newcomers
from components.recommenders.histories import check_items, pick
from components.recommenders.storage import Stored, write_model

SLICES = ("cold", "warm")  # users with few events, users with more
SHARES = (0.25, 0.5, 0.75, 1.0)  # of a borrowed score, that are tried
NOBODY = (np.zeros(0, np.int32), np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32))  # no newcomers


class Blend(Section):
    """What a saved blend consists of, beside its weights."""

    parts: list[str]
    cold_user_events: int
    exclude_seen: bool
    borrow: float  # share of the borrowed score that a product without events gets


class HybridRecommender(BaseRecommender):
    """Scores are weighted sums of what the parts say, each part on a scale of its own; useless parts are not kept.

    Parts that do not know a product without events speak of it as of the products that read like it.
    """

    name: ClassVar[str] = "hybrid"

    def __init__(
        self, parts: Mapping[str, Recommender], params: HybridParams, cold_user_events: int, exclude_seen: bool
    ) -> None:
        """Parts may be fitted already: then `blend` is all that is left to do."""
        self.parts, self.params = dict(parts), params
        self.cold_user_events, self.exclude_seen = cold_user_events, exclude_seen
        self.weights = np.zeros((len(SLICES), len(self.parts)), np.float32)
        self.newcomers: Newcomers | None = None
        self.found: dict[str, float] = {}

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Fit every part, then blend them on the validation users."""
        for part in self.parts.values():
            part.fit(interactions, items, users)
        newcomers = Newcomers.of(interactions, items, self.params.cold_item_neighbour_pool)
        return self.blend(users, interactions.n_items, newcomers)

    def blend(self, users: Users, n_items: int, newcomers: Newcomers | None = None) -> Self:
        """Learn the weights on users with targets, and let go of parts without any; then, how much newcomers borrow.

        Raises ContractError where no user has a target left.
        """
        asked = users.without_seen() if self.exclude_seen else users
        if not len(asked):
            raise ContractError("hybrid: nobody in the validation window has a target left; widen it")
        asked = asked.subsample(self.params.max_users)
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
        if newcomers is not None:
            newcomers.share = self._share(asked, newcomers)
            self.newcomers = newcomers if newcomers.share else None
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return weighted sums; about 0 for the mean item, about 1 for the best."""
        knowing, blind = self._sides(users)
        return pick(knowing + (blind if self.newcomers is None else self.newcomers.lend(blind)), items)

    def why(self, users: Users, items: IntArray) -> dict[str, FloatArray]:
        """Return for each part (n_users, len(items)) what it adds to the scores; they sum up to `score`."""
        weights = self._weights(users)
        added = {}
        for column, (name, part) in enumerate(self.parts.items()):
            scores = scaled(part.score(users))
            if self.newcomers is not None and not part.knows_new:
                scores = self.newcomers.lend(scores)
            added[name] = weights[:, column, None] * pick(scores, items)
        return added

    def save(self, folder: Path) -> None:
        """Write the parts in folders of their own, then the weights."""
        for name, part in self.parts.items():
            part.save(folder / "parts" / name)
        new = self.newcomers or Newcomers(*NOBODY, self.n_items)
        told = {"cold_user_events": self.cold_user_events, "exclude_seen": self.exclude_seen, "borrow": new.share}
        settings = {"params": self.params, "blend": Blend.model_validate({"parts": list(self.parts), **told})}
        arrays = {"weights": self.weights, "new": new.items, "likes": new.likes, "likeness": new.weights}
        write_model(folder, self.name, 2, self.n_items, settings, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        from components.recommenders.factory import load_model

        stored = Stored(folder, cls.name, 2)
        blend = stored.section("blend", Blend)
        parts = {name: load_model(folder / "parts" / name) for name in blend.parts}
        model = cls(parts, stored.section("params", HybridParams), blend.cold_user_events, blend.exclude_seen)
        model.n_items, model.weights = stored.n_items, stored.array("weights", (len(SLICES), len(parts)))
        new, likes = stored.array("new", (None,), np.int32), stored.array("likes", (None, None), np.int32)
        for items in (new, likes):
            check_items(items.ravel(), stored.n_items, f"{folder}: newcomers", lowest=1)
        model.newcomers = Newcomers(new, likes, stored.array("likeness", likes.shape), stored.n_items)
        model.newcomers.share = blend.borrow
        return model

    def _sides(self, users: Users) -> tuple[FloatArray, FloatArray]:
        """Return two weighted sums (n_users, n_items + 1): of parts that know newcomers, and of those that do not."""
        weights = self._weights(users)  # (n_users, n_parts)
        sides = np.zeros((2, len(users), self.n_items + 1), np.float32)
        for column, part in enumerate(self.parts.values()):
            sides[0 if part.knows_new else 1] += weights[:, column, None] * scaled(part.score(users))
        return sides[0], sides[1]

    def _share(self, asked: Users, newcomers: Newcomers) -> float:
        """Return the largest share for cold items that costs no more than `cold_item_max_ndcg_loss` of NDCG."""
        targets = asked.ground_truth
        values: dict[float, list[FloatArray]] = {share: [] for share in (0.0, *SHARES)}
        for start, batch in asked.batches(self.batch_users):
            knowing, blind = self._sides(batch)
            own = targets.slice(start, start + len(batch))
            for share, found in values.items():
                scores = barred(knowing + newcomers.lend(blind.copy(), share), batch, self.exclude_seen)
                found.append(per_user(top_k(scores, K).items, own, [K])[f"ndcg_at_{K}"])
        means = {share: float(np.concatenate(found).mean()) for share, found in values.items()}
        allowed = [share for share in SHARES if means[share] >= means[0.0] * (1 - self.params.cold_item_max_ndcg_loss)]
        share = max(allowed, default=0.0)
        self.found |= {"borrow": share, "borrow/ndcg_at_10": means[share]}
        return share

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
