"""The products that a list is chosen from, their scores, and the choice that keeps the quotas of a request."""

from __future__ import annotations

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Users
from components.release.bundle import Bundle
from components.serving.inference.quotas import keep_quotas, lacks_items
from components.serving.inference.scorer import ScoredList, score_users
from components.serving.schemas import RecommendRequest

MMR_POOL = 5  # a diverse list of k is chosen from MMR_POOL * k products


def pool_size(scored: ScoredList, request: RecommendRequest) -> int:
    """Return how many products the list is chosen from."""
    if request.quotas:
        return len(scored.items)
    return request.k if not request.diversity else min(MMR_POOL * request.k, len(scored.items))


def with_quotas(
    bundle: Bundle, user: Users, scored: ScoredList, request: RecommendRequest, mask: BoolArray | None, order: IntArray
) -> IntArray:
    """Return the request's k products of an order that keep its quotas; where it has too few of a kind, the next best.

    order: (n,) item_idx of the pool, best first.
    """
    names, codes = bundle.catalogue.kind_codes
    bounds = {names.index(q.kind): (q.at_least, q.at_most) for q in request.quotas if q.kind in names}
    found = order[keep_quotas(codes[order], request.k, bounds)]
    if scored.exhaustive or not lacks_items(codes[found], request.k, bounds):
        return found
    further = [order]
    for code in np.unique(codes[1:]).tolist():  # the best k of each kind, whatever the pool holds
        of_kind = codes == code if mask is None else mask & (codes == code)
        further.append(allowed_items(bundle, user, scored, request.k, of_kind).items[: request.k])
    pool = np.concatenate(further)
    _, first = np.unique(pool, return_index=True)
    pool = pool[np.sort(first)]
    ranked = [*pool[: len(order)], *_by_score(bundle, user, scored, pool[len(order) :])]
    pool = np.array(ranked, np.int32)
    return pool[keep_quotas(codes[pool], request.k, bounds)]


def _by_score(bundle: Bundle, user: Users, scored: ScoredList, items: IntArray) -> IntArray:
    """Return the items by their scores, best first."""
    return items[np.argsort(-scores_of(bundle, user, scored, items), kind="stable")]


def allowed_items(bundle: Bundle, user: Users, scored: ScoredList, n: int, mask: BoolArray | None) -> ScoredList:
    """Return n or more products that the mask allows, fewer where there are no more."""
    allowed = scored if mask is None else scored.filter(mask)
    if len(allowed.items) < n and not allowed.exhaustive:
        allowed = score_users(bundle, [user], n, mask)[0]
    return allowed


def scores_of(bundle: Bundle, user: Users, scored: ScoredList, items: IntArray) -> FloatArray:
    """Return the scores of the products by the model of a list, also of those that the list lacks."""
    known = dict(zip(scored.items.tolist(), scored.scores.tolist(), strict=True))
    others = np.array([item for item in items.tolist() if item not in known], np.int32)
    if len(others):
        model = bundle.model if scored.model == bundle.model.name else bundle.fallback
        known |= dict(zip(others.tolist(), model.score(user, others)[0].tolist(), strict=True))
    return np.array([known[item] for item in items.tolist()], np.float32)
