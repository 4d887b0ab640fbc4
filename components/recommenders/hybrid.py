"""The blend: one weighted sum of other models' scores, with separate weights for cold and for warm users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Interactions, Recommender, Users
from components.errors import ContractError
from components.evaluation.metrics import user_means
from components.evaluation.out_of_fold import OutOfFold
from components.evaluation.slices import cold_users
from components.params import BlendParams, HybridParams, Params, Section
from components.recommenders.base import BaseRecommender, mask_seen
from components.recommenders.blending import K, Pool, collect_pool, learn_weights, ndcg, scaled
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create, load_model, usable
from components.recommenders.folds import assign_folds, average_weights, learning_users
from components.recommenders.histories import check_items, pick
from components.recommenders.storage import Stored, write_model
from components.recommenders.top_k import padded_top_k

Slice = Literal["cold", "warm"]
SLICES: tuple[Slice, ...] = ("cold", "warm")  # users with few events, users with more
BLEND_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the cold-item smoother, that are compared
NO_COLD_ITEMS = (np.zeros(0, np.int32), np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32))


class BlendSettings(Section):
    """What a saved blend consists of, in addition to its weights."""

    parts: list[str]
    cold_user_events: int
    exclude_seen: bool
    cold_item_blend_weight: float


def blend_parts(params: Params) -> list[str]:
    """Return the models that may enter the blend; with a recipe, those that its blend has."""
    fixed = params.selection.blend if params.selection else None
    return usable(params.models.hybrid.parts, params) if fixed is None else fixed.parts


class HybridRecommender(BaseRecommender):
    """Scores are weighted sums of the parts' scores, each standardised per user; parts without weight are dropped.

    The scores of parts that cannot score cold items are smoothed by those of items with similar texts.
    """

    name: ClassVar[str] = "hybrid"
    format: ClassVar[int] = 2

    def __init__(
        self, parts: Mapping[str, Recommender], params: HybridParams, cold_user_events: int, exclude_seen: bool
    ) -> None:
        """Parts may be fitted already; then only `blend` must be called. With `fixed` it takes these weights."""
        self.parts, self.params = dict(parts), params
        self.cold_user_events, self.exclude_seen = cold_user_events, exclude_seen
        self.weights = np.zeros((len(SLICES), len(self.parts)), np.float32)
        self.smoother: ColdItemSmoother | None = None
        self.metrics: dict[str, float] = {}  # of the blend on the validation users
        self.out_of_fold: OutOfFold | None = None  # what `blend` found; it is not saved
        self.fixed: BlendParams | None = None

    @classmethod
    def from_params(cls, params: Params) -> Self:
        """Return the blend of the unfitted parts that `blend_parts` names."""
        return cls.of_parts({part: create(part, params) for part in blend_parts(params)}, params)

    @classmethod
    def of_parts(cls, parts: Mapping[str, Recommender], params: Params) -> Self:
        """Return the blend of these parts, without weights yet."""
        model = cls(parts, params.models.hybrid, params.evaluation.cold_user_events, params.recommend.exclude_seen)
        model.batch_users = params.recommend.batch_users
        model.fixed = params.selection.blend if params.selection else None
        return model

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Self:
        """Fit every part, then blend them on the validation users."""
        for part in self.parts.values():
            part.fit(interactions, items, users)
        smoother = ColdItemSmoother.of(interactions, items, self.params.cold_item_neighbour_pool)
        return self.blend(users, interactions.n_items, smoother)

    def blend(self, users: Users, n_items: int, smoother: ColdItemSmoother | None = None, k: int = K) -> Self:
        """Learn the weights of the parts and of the smoother on users with targets, drop parts without any.

        Each fold of the users is ranked by weights that the other folds give: `out_of_fold` holds these lists of
        length k, and their NDCG is what the blend is worth. The weights of the model are the mean over folds.
        A user with several rows, one for each target event, has them in one fold and counts once.
        With `fixed` nothing is learned, and the users are not read.
        Raises ContractError where no user has a target left.
        """
        self.n_items = n_items
        if self.fixed is not None:
            return self._take_weights(self.fixed, smoother)
        sample = users.without_seen() if self.exclude_seen else users
        if not len(sample):
            raise ContractError("hybrid: no user of the validation window has a target left; widen it")
        rows = sample.sample_rows(self.params.max_users)
        sample = sample.take(rows)
        cold, folds = cold_users(sample, self.cold_user_events), assign_folds(sample.n_users)[sample.user_row]
        parts = list(self.parts.values())
        pool = collect_pool(parts, sample, self.params.candidates, self.exclude_seen, self.batch_users)
        by_fold = np.stack([self._learn(pool.of(others), cold[others]) for others in learning_users(folds)])
        self.weights = average_weights(by_fold)
        self._measure(pool, cold)
        by_user = by_fold[folds, np.where(cold, 0, 1)]  # (n_users, n_parts)
        lists = self._rank_by_blend_weight(sample, by_user, smoother, max(k, K))
        self.out_of_fold = OutOfFold(rows, self._choose_blend_weight(sample, folds, lists, smoother)[:, :k])
        self._drop_unused((self.weights > 0).max(axis=0))
        return self

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        """Return weighted sums; about 0 for the mean item, about 1 for the best."""
        text_aware, event_only = self._sums(users, self._user_weights(users))
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
        write_model(folder, self.name, self.format, self.n_items, {"params": self.params, "blend": blend}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = Stored(folder, cls.name, cls.format)
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

    def _sums(self, users: Users, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return two weighted sums (n_users, n_items + 1): of parts that score cold items, and of those that do not.

        weights: (n_users, n_parts); a part without any weight does not score.
        """
        sums = np.zeros((2, len(users), self.n_items + 1), np.float32)
        for column, part in enumerate(self.parts.values()):
            if weights[:, column].any():
                sums[0 if part.scores_cold_items else 1] += weights[:, column, None] * scaled(part.score(users))
        return sums[0], sums[1]

    def _learn(self, pool: Pool, cold: BoolArray) -> FloatArray:
        """Return (n_slices, n_parts) the weights that these users give."""
        overall = learn_weights(pool, self.params.min_gain)
        return np.stack([self._slice_weights(pool.of(members), overall) for members in (cold, ~cold)])

    def _measure(self, pool: Pool, cold: BoolArray) -> None:
        """Add the NDCG on the users that the weights were learned on, before cold items are smoothed."""
        found = [
            (name, pool.of(users), row) for name, users, row in zip(SLICES, (cold, ~cold), self.weights, strict=True)
        ]
        means = {name: (ndcg(part, row), part.weight.sum()) for name, part, row in found if len(part.n_targets)}
        self.metrics = {f"in_fold/{name}/ndcg_at_{K}": mean for name, (mean, _) in means.items()}
        total = sum(mean * weight for mean, weight in means.values())
        self.metrics[f"in_fold/ndcg_at_{K}"] = float(total / pool.weight.sum())

    def _rank_by_blend_weight(
        self, users: Users, weights: FloatArray, smoother: ColdItemSmoother | None, k: int
    ) -> IntArray:
        """Return the lists (n_blend_weights, n_users, k) for each of BLEND_WEIGHTS; weights: (n_users, n_parts).

        Without a smoother, or where no item is cold, only those for a blend weight of 0.
        """
        compared = BLEND_WEIGHTS if smoother is not None and len(smoother.items) else BLEND_WEIGHTS[:1]
        lists = np.zeros((len(compared), len(users), k), np.int32)
        for start, batch in users.batches(self.batch_users):
            rows = slice(start, start + len(batch))
            text_aware, event_only = self._sums(batch, weights[rows])
            for found, blend_weight in zip(lists, compared, strict=True):
                smooth = event_only if smoother is None else smoother.smooth(event_only.copy(), blend_weight)
                found[rows] = padded_top_k(mask_seen(text_aware + smooth, batch, self.exclude_seen), k).items
        return lists

    def _choose_blend_weight(
        self, users: Users, folds: IntArray, lists: IntArray, smoother: ColdItemSmoother | None
    ) -> IntArray:
        """Give the smoother the mean over folds of the weight that the users outside the fold choose.

        Of these lists (n_blend_weights, n_users, k), return those that each fold gets, (n_users, k). Chosen is the
        largest weight that costs no more than `cold_item_max_ndcg_loss` of NDCG.
        """
        values = np.stack([user_means(found, users, [K])[f"ndcg_at_{K}"] for found in lists])  # (n, n_users)
        user_folds, chosen = folds[np.diff(users.user_row, prepend=-1) > 0], []
        for others in learning_users(user_folds):
            means = values[:, others].mean(axis=1, dtype=np.float64)
            chosen.append(np.flatnonzero(means >= means[0] * (1 - self.params.cold_item_max_ndcg_loss)).max())
        if smoother is not None:
            smoother.blend_weight = float(np.mean([BLEND_WEIGHTS[i] for i in chosen]))
            self.smoother = smoother if smoother.blend_weight else None
            self.metrics["cold_item_blend_weight"] = smoother.blend_weight
        own = values[np.array(chosen)[user_folds], np.arange(values.shape[1])]
        self.metrics[f"out_of_fold/ndcg_at_{K}"] = float(own.mean(dtype=np.float64))
        found: IntArray = lists[np.array(chosen)[folds], np.arange(len(users))]
        return found

    def _user_weights(self, users: Users) -> FloatArray:
        """Return (n_users, n_parts) the weights of each user's slice."""
        return self.weights[np.where(cold_users(users, self.cold_user_events), 0, 1)]

    def _slice_weights(self, pool: Pool, overall: FloatArray) -> FloatArray:
        """Return weights learned on the slice where it has enough users and gains by them, else the overall weights."""
        if pool.weight.sum() < self.params.min_slice_users:
            return overall
        weights = learn_weights(pool, self.params.min_gain, start=overall)
        return weights if ndcg(pool, weights) > ndcg(pool, overall) * (1 + self.params.min_gain) else overall

    def _take_weights(self, blend: BlendParams, smoother: ColdItemSmoother | None) -> Self:
        if set(self.parts) != set(blend.parts):
            raise ContractError(f"hybrid: the recipe blends {blend.parts}, got the parts {list(self.parts)}")
        self.parts = {name: self.parts[name] for name in blend.parts}
        self.weights = np.array([[blend.weights[row][part] for part in blend.parts] for row in SLICES], np.float32)
        if smoother is not None and blend.cold_item_blend_weight:
            smoother.blend_weight, self.smoother = blend.cold_item_blend_weight, smoother
        return self

    def _drop_unused(self, used: BoolArray) -> None:
        self.parts = {name: part for (name, part), use in zip(self.parts.items(), used, strict=True) if use}
        self.weights = self.weights[:, used]


def read_blend(folder: Path) -> BlendParams:
    """Return the weights of a saved hybrid, without its parts."""
    stored = Stored(folder, HybridRecommender.name, HybridRecommender.format)
    settings = stored.section("blend", BlendSettings)
    rows = stored.array("weights", (len(SLICES), len(settings.parts)))
    return BlendParams(
        parts=settings.parts,
        weights={
            name: dict(zip(settings.parts, map(float, row), strict=True))
            for name, row in zip(SLICES, rows, strict=True)
        },
        cold_item_blend_weight=settings.cold_item_blend_weight,
    )
