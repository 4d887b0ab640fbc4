"""The lists of a block of users in columns: what an export writes, without a record for each product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Users
from components.offline.model import OfflineModel
from components.release.bundle import Bundle
from components.serving.inference.histories import build_users
from components.serving.inference.recommendations import Recommendation
from components.serving.inference.scorer import ScoredBlock, score_block
from components.serving.schemas import RecommendRequest


@dataclass(frozen=True)
class UserLists:
    """The lists of several users, one after the other, each best first."""

    lengths: IntArray  # (n_users,) products in each list
    item_idx: IntArray  # (n,) of the bundle
    scores: FloatArray  # (n,)
    models: list[str]  # (n_users,) that made the list
    reasons: list[str | None]  # (n_users,) why a fallback made it; None: the bundle's model did

    @classmethod
    def of_block(cls, block: ScoredBlock) -> Self:
        """Return the lists of a block, as they are."""
        listed = block.items > 0
        return cls(block.lengths, block.items[listed], block.scores[listed], block.models, block.reasons)

    @classmethod
    def of_recommendations(cls, found: Sequence[Recommendation], bundle: Bundle) -> Self:
        """Return the lists of these recommendations by the bundle."""
        items = [item for one in found for item in one.items]
        return cls(
            np.array([len(one.items) for one in found], np.int32),
            np.array([bundle.index[item.item_id] for item in items], np.int32),
            np.array([item.score for item in items], np.float32),
            [one.model for one in found],
            [one.reason for one in found],
        )

    @classmethod
    def concat(cls, parts: Sequence[UserLists]) -> Self:
        """Return the lists of all parts, in their order; at least one part."""
        lengths, items, scores = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("lengths", "item_idx", "scores")
        )
        models = [name for part in parts for name in part.models]
        return cls(lengths, items, scores, models, [reason for part in parts for reason in part.reasons])

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.lengths)


def make_lists(model: OfflineModel, user_ids: Sequence[str], request: RecommendRequest, now: int) -> UserLists:
    """Return the lists that `OfflineModel.recommend` gives these users, made as one block.

    request: its user is not read, and it has no history and no context. now: us; events up to this moment count.
    Lists with diversity, quotas or merchandising rules are made one by one. Raises as `OfflineModel.recommend_batch`.
    """
    model.check_length(request.k)
    bundle, longest = model.bundle, model.params.serving.max_k
    out_of_stock = model.out_of_stock(request.filters.in_stock)
    mask = model.allowed(request, out_of_stock)
    users = build_users(bundle, model.read_histories(user_ids, now))
    if request.diversity or request.quotas or model.rules.rules:
        lists = score_block(bundle, users, longest).lists()
        found = [
            model.context.recommend(users.slice(n, n + 1), scored, request, out_of_stock, model.rules)
            for n, scored in enumerate(lists)
        ]
        return UserLists.of_recommendations(found, bundle)
    if mask is None:  # an ANN index finds other products for a shorter list
        return UserLists.of_block(
            _cut(score_block(bundle, users, request.k if bundle.ann is None else longest), request.k)
        )
    return UserLists.of_block(_filtered(bundle, users, score_block(bundle, users, longest), request.k, mask))


def _filtered(bundle: Bundle, users: Users, scored: ScoredBlock, k: int, mask: BoolArray) -> ScoredBlock:
    """Return the best k products that the mask allows; scores users again of whom too few are left."""
    allowed = mask[scored.items] & (scored.items > 0)
    first = np.argsort(~allowed, axis=1, kind="stable")
    items = np.take_along_axis(np.where(allowed, scored.items, 0), first, axis=1)
    scores = np.take_along_axis(scored.scores, first, axis=1)
    found = _cut(ScoredBlock(items, scores, scored.models, scored.reasons, scored.is_cut), k)
    is_full = (scored.items > 0).all(axis=1) & scored.is_cut
    short = np.flatnonzero(is_full & (found.lengths < k)).astype(np.int32)
    if len(short):
        again = score_block(bundle, users.take(short), found.items.shape[1], mask)
        found.items[short], found.scores[short] = again.items, again.scores
        for row, name, reason in zip(short.tolist(), again.models, again.reasons, strict=True):
            found.models[row], found.reasons[row] = name, reason
    return found


def _cut(block: ScoredBlock, k: int) -> ScoredBlock:
    """Return the first k products of each row."""
    return ScoredBlock(block.items[:, :k], block.scores[:, :k], block.models, block.reasons, block.is_cut)
