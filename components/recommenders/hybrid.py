"""The blend: one weighted sum of other models' scores, with separate weights for cold and for warm users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.errors import ContractError
from components.evaluation.metrics import per_user
from components.evaluation.slices import cold_users
from components.params import HybridParams, Params, Section
from components.recommenders.base import BaseRecommender, mask_seen
from components.recommenders.blending import K, Pool, collect_pool, learn_weights, ndcg, scaled
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create, load_model
from components.recommenders.histories import check_items, pick
from components.recommenders.storage import Stored, write_model
from components.recommenders.top_k import padded_top_k

SLICES = ("cold", "warm")  # users with few events, users with more
BLEND_WEIGHTS = (0.25, 0.5, 0.75, 1.0)  # of the cold-item smoother, that are compared
NO_COLD_ITEMS = (np.zeros(0, np.int32), np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32))


class BlendSettings(Section):
    """What a saved blend consists of, in addition to its weights."""

    parts: list[str]
    cold_user_events: int
    exclude_seen: bool
    cold_item_blend_weight: float


class HybridRecommender(BaseRecommender):
    """Scores are weighted sums of the parts' scores, each standardised per user; parts without weight are dropped.

    The scores of parts that cannot score cold items are smoothed by those of items with similar texts.
    """

    name: ClassVar[str] = "hybrid"

    def __init__(
        self, parts: Mapping[str, Recommender], params: HybridParams, cold_user_events: int, exclude_seen: bool
    ) -> None:
        """Parts may be fitted already; then only `blend` must be called."""
        self.parts, self.params = dict(parts), params
        self.cold_user_events, self.exclude_seen = cold_user_events, exclude_seen
        self.weights = np.zeros((len(SLICES), len(self.parts)), np.float32)
        self.smoother: ColdItemSmoother | None = None
        self.metrics: dict[str, float] = {}  # of the blend on the validation users

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the blend of the unfitted parts that models.hybrid names."""
        return cls.of_parts({part: create(part, params) for part in params.models.hybrid.parts}, params)

    @classmethod
    def of_parts(cls, parts: Mapping[str, Recommender], params: Params) -> Self:
        """Return the blend of these parts, without weights yet."""
        model = cls(parts, params.models.hybrid, params.evaluation.cold_user_events, params.recommend.exclude_seen)
        model.batch_users = params.recommend.batch_users
        return model

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Fit every part, then blend them on the validation users."""
        for part in self.parts.values():
            part.fit(interactions, items, users)
        smoother = ColdItemSmoother.of(interactions, items, self.params.cold_item_neighbour_pool)
        return self.blend(users, interactions.n_items, smoother)

    def blend(self, users: Users, n_items: int, smoother: ColdItemSmoother | None = None) -> Self:
        """Learn the weights on users with targets, drop parts without any, then choose the smoother's blend weight.

        Raises ContractError where no user has a target left.
        """
        sample = users.without_seen() if self.exclude_seen else users
        if not len(sample):
            raise ContractError("hybrid: no user of the validation window has a target left; widen it")
        sample = sample.subsample(self.params.max_users)
        self.n_items = n_items
        parts = list(self.parts.values())
        pool = collect_pool(parts, sample, self.params.candidates, self.exclude_seen, self.batch_users)
        overall = learn_weights(pool, self.params.min_gain)
        self.metrics = {"ndcg_at_10": ndcg(pool, overall)}
        cold = cold_users(sample, self.cold_user_events)
        for row, members in enumerate((cold, ~cold)):
            part = pool.of(members)
            self.weights[row] = self._slice_weights(part, overall)
            if members.any():
                self.metrics[f"{SLICES[row]}/ndcg_at_10"] = ndcg(part, self.weights[row])
        self._drop_unused((self.weights > 0).max(axis=0))
        if smoother is not None:
            smoother.blend_weight = self._choose_blend_weight(sample, smoother)
            self.smoother = smoother if smoother.blend_weight else None
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return weighted sums; about 0 for the mean item, about 1 for the best."""
        text_aware, event_only = self._sums(users)
        return pick(text_aware + (event_only if self.smoother is None else self.smoother.smooth(event_only)), items)

    def contributions(self, users: Users, items: IntArray) -> dict[str, FloatArray]:
        """Return what each part adds to the scores, (n_users, len(items)) each; they sum up to `score`."""
        weights = self._user_weights(users)
        added = {}
        for column, (name, part) in enumerate(self.parts.items()):
            scores = scaled(part.score(users))
            if self.smoother is not None and not part.scores_cold_items:
                scores = self.smoother.smooth(scores)
            added[name] = weights[:, column, None] * pick(scores, items)
        return added

    def save(self, folder: Path) -> None:
        """Write each part in its own folder, then the weights."""
        for name, part in self.parts.items():
            part.save(folder / "parts" / name)
        smoother = self.smoother or ColdItemSmoother(*NO_COLD_ITEMS, self.n_items)
        blend = BlendSettings(
            parts=list(self.parts),
            cold_user_events=self.cold_user_events,
            exclude_seen=self.exclude_seen,
            cold_item_blend_weight=smoother.blend_weight,
        )
        arrays = {
            "weights": self.weights,
            "cold_items": smoother.items,
            "cold_item_neighbours": smoother.neighbours,
            "cold_item_weights": smoother.weights,
        }
        write_model(folder, self.name, 2, self.n_items, {"params": self.params, "blend": blend}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, 2)
        blend = stored.section("blend", BlendSettings)
        parts = {name: load_model(folder / "parts" / name) for name in blend.parts}
        model = cls(parts, stored.section("params", HybridParams), blend.cold_user_events, blend.exclude_seen)
        model.n_items, model.weights = stored.n_items, stored.array("weights", (len(SLICES), len(parts)))
        cold = stored.array("cold_items", (None,), np.int32)
        neighbours = stored.array("cold_item_neighbours", (None, None), np.int32)
        for items in (cold, neighbours):
            check_items(items.ravel(), stored.n_items, f"{folder}: cold items", lowest=1)
        weights = stored.array("cold_item_weights", neighbours.shape)
        model.smoother = ColdItemSmoother(cold, neighbours, weights, stored.n_items)
        model.smoother.blend_weight = blend.cold_item_blend_weight
        return model

    def _sums(self, users: Users) -> tuple[FloatArray, FloatArray]:
        """Return two weighted sums (n_users, n_items + 1): of parts that score cold items, and of those that do not."""
        weights = self._user_weights(users)  # (n_users, n_parts)
        sums = np.zeros((2, len(users), self.n_items + 1), np.float32)
        for column, part in enumerate(self.parts.values()):
            sums[0 if part.scores_cold_items else 1] += weights[:, column, None] * scaled(part.score(users))
        return sums[0], sums[1]

    def _choose_blend_weight(self, users: Users, smoother: ColdItemSmoother) -> float:
        """Return the largest weight for cold items that costs no more than `cold_item_max_ndcg_loss` of NDCG."""
        targets = users.ground_truth
        values: dict[float, list[FloatArray]] = {weight: [] for weight in (0.0, *BLEND_WEIGHTS)}
        for start, batch in users.batches(self.batch_users):
            text_aware, event_only = self._sums(batch)
            batch_targets = targets.slice(start, start + len(batch))
            for weight, found in values.items():
                scores = text_aware + smoother.smooth(event_only.copy(), weight)
                lists = padded_top_k(mask_seen(scores, batch, self.exclude_seen), K).items
                found.append(per_user(lists, batch_targets, [K])[f"ndcg_at_{K}"])
        means = {weight: float(np.concatenate(found).mean()) for weight, found in values.items()}
        lowest = means[0.0] * (1 - self.params.cold_item_max_ndcg_loss)
        chosen = max((weight for weight in BLEND_WEIGHTS if means[weight] >= lowest), default=0.0)
        self.metrics |= {"cold_item_blend_weight": chosen, "cold_items_blended/ndcg_at_10": means[chosen]}
        return chosen

    def _user_weights(self, users: Users) -> FloatArray:
        """Return (n_users, n_parts) the weights of each user's slice."""
        return self.weights[np.where(cold_users(users, self.cold_user_events), 0, 1)]

    def _slice_weights(self, pool: Pool, overall: FloatArray) -> FloatArray:
        """Return weights learned on the slice where it has enough users and gains by them, else the overall weights."""
        if len(pool.n_targets) < self.params.min_slice_users:
            return overall
        weights = learn_weights(pool, self.params.min_gain, start=overall)
        return weights if ndcg(pool, weights) > ndcg(pool, overall) * (1 + self.params.min_gain) else overall

    def _drop_unused(self, used: BoolArray) -> None:
        self.parts = {name: part for (name, part), use in zip(self.parts.items(), used, strict=True) if use}
        self.weights = self.weights[:, used]
