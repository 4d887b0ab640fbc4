"""Lists from a bundle: filtered and explained recommendations, similar products, and those bought together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter

from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, Recommender, Users
from components.recommenders.top_k import top_k
from components.release.bundle import Bundle
from components.serving.inference.errors import UnknownItemError
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.merchandising import Merchandise
from components.serving.inference.pools import MMR_POOL, allowed_items, pool_size, scores_of, with_quotas
from components.serving.inference.rules import mmr_rerank
from components.serving.inference.scorer import NO_HISTORY, RenderedItems, ScoredList, score_users
from components.serving.schemas import Item, RecommendRequest, SimilarRequest

MIN_EVIDENCE = 1e-4  # lower scores are only the popularity prior, not co-purchases
CO_PURCHASE_MODELS = ("neighbours", "ease", "als")  # in order of preference
ITEMS = TypeAdapter(list[Item])


class Recommendation(NamedTuple):
    """A list, the model that made it, and why that was not the bundle's model (or None)."""

    items: list[Item]
    model: str
    reason: str | None


Find = Callable[[Bundle, SimilarRequest, BoolArray | None], Recommendation]


class RenderedList(NamedTuple):
    """A recommendation, rendered for the answer."""

    items: RenderedItems
    model: str
    reason: str | None


def recommend(
    bundle: Bundle,
    user: Users,
    scored: ScoredList,
    request: RecommendRequest,
    mask: BoolArray | None,
    rules: Merchandise | None = None,
) -> Recommendation:
    """Return the best products of `scored` that the mask allows; scores the user again where too few are left.

    rules: of the list; None: the model alone decides.
    """
    n = pool_size(scored, request)
    allowed = allowed_items(bundle, user, scored, n, mask)
    order, scores = _diversify(bundle, allowed.items[:n], allowed.scores[:n], request)
    if request.quotas:
        order = with_quotas(bundle, user, allowed, request, mask, order)
        scores = scores_of(bundle, user, allowed, order)
    moved: list[str | None] = [None] * len(order)
    if rules is not None:
        without_rules, (order, scores) = order, _apply_rules(bundle, user, scored, request, mask, rules)
        moved = rules.moved_by(without_rules, order)
    items = to_items(bundle, order, scores, moved)
    if request.explain:
        items = explain_items(bundle, user, order, items)
    return Recommendation(items, allowed.model, fallback_reason(allowed, request))


def _diversify(
    bundle: Bundle, order: IntArray, scores: FloatArray, request: RecommendRequest
) -> tuple[IntArray, FloatArray]:
    """Return the list as the request's diversity asks for it: unchanged, or request.k products chosen by MMR."""
    vectors = bundle.catalogue.embedding
    if not request.diversity or len(order) < 2 or vectors is None:
        return order, scores
    k = len(order) if request.quotas else request.k  # quotas choose from all of them
    positions = mmr_rerank(order, scores, vectors, k, request.diversity)
    return order[positions], scores[positions]


def _apply_rules(
    bundle: Bundle,
    user: Users,
    scored: ScoredList,
    request: RecommendRequest,
    mask: BoolArray | None,
    rules: Merchandise,
) -> tuple[IntArray, FloatArray]:
    """Return request.k products and their scores after the rules; the scores are those of the model."""
    n = pool_size(scored, request)
    open_mask = mask
    if rules.buried is not None:
        open_mask = ~rules.buried if mask is None else mask & ~rules.buried
    first = allowed_items(bundle, user, scored, n, open_mask)
    items = first.items[rules.boosted_order(first.items)]
    by_rank = np.sort(first.scores)[::-1]  # MMR reads relevance: that of the position which a boost gave
    items, _ = _diversify(bundle, items[:n], by_rank[:n], request)
    if rules.buried is not None and len(items) < request.k:
        everything = allowed_items(bundle, user, scored, request.k, mask).items
        items = np.concatenate([items, everything[rules.buried[everything]]])
    if request.quotas:
        items = with_quotas(bundle, user, first, request, open_mask, items)
    items = rules.insert_pins(items, request.k, mask)
    return items, scores_of(bundle, user, first, items)


def fallback_reason(scored: ScoredList, request: RecommendRequest) -> str | None:
    """Return why the fallback answered, in the caller's terms: the model may not know the history's products."""
    return "no history that the model knows" if scored.reason == NO_HISTORY and request.history else scored.reason


def find_similar(bundle: Bundle, request: SimilarRequest, mask: BoolArray | None) -> Recommendation:
    """Return the products with the most similar text; for a product without a text, what the model recommends after it.

    Raises UnknownItemError for a product that the bundle does not know.
    """
    index = _item_idx(bundle, request.item_id)
    vectors = bundle.catalogue.embedding
    if vectors is None or not vectors[index].any():
        return _recommend_after(bundle, bundle.model, index, request.k, mask)
    if bundle.ann is not None:
        ranked = bundle.ann.nearest(vectors[index], vectors, request.k, mask)
    else:
        has_text = vectors.any(axis=1) if mask is None else mask & vectors.any(axis=1)
        scores = np.where(has_text, vectors @ vectors[index], -np.inf).astype(np.float32)
        scores[0] = -np.inf
        ranked = top_k(scores[None], request.k)
    return Recommendation(to_items(bundle, ranked.items[0], ranked.scores[0]), "text", None)


def find_bought_together(bundle: Bundle, request: SimilarRequest, mask: BoolArray | None) -> Recommendation:
    """Return the products bought together with one, by the part of the model that counts co-purchases.

    Raises UnknownItemError for a product that the bundle does not know.
    """
    index = _item_idx(bundle, request.item_id)
    parts = bundle.model.parts
    model = next((parts[name] for name in CO_PURCHASE_MODELS if name in parts), bundle.model)
    return _recommend_after(bundle, model, index, request.k, mask)


def find_ruled(
    bundle: Bundle, find: Find, request: SimilarRequest, mask: BoolArray | None, rules: Merchandise | None
) -> Recommendation:
    """Return the products that `find` lists for one, after the rules of the list.

    Boosts rearrange the best products of a longer list. A buried product is listed only where no other one is left. A
    pin moves only what is listed without rules.
    """
    if rules is None:
        return find(bundle, request, mask)
    without = find(bundle, request, mask)
    shown = {item.item_id for item in without.items}
    pool = request.model_copy(update={"k": MMR_POOL * request.k})
    open_mask = mask
    if rules.buried is not None:
        open_mask = ~rules.buried if mask is None else mask & ~rules.buried
    found = find(bundle, pool, open_mask).items
    known = {item.item_id for item in found}
    found = [*found, *(item for item in without.items if item.item_id not in known)]
    items = np.array([bundle.index[item.item_id] for item in found], np.int32)
    may_pin = np.array([item.item_id in shown for item in found], np.bool_)
    order = rules.rearranged(items, np.zeros(len(items), np.int8), may_pin)[: request.k]
    before = np.array([bundle.index[item.item_id] for item in without.items], np.int32)
    moved = rules.moved_by(before, items[order])
    listed = [found[n].model_copy(update={"rule": rule}) for n, rule in zip(order.tolist(), moved, strict=True)]
    return without._replace(items=listed)


def explain_items(bundle: Bundle, user: Users, order: IntArray, items: list[Item]) -> list[Item]:
    """Return the items with what each part of the model adds, and the product of the history with the nearest text."""
    parts = bundle.model.contributions(user, order) if len(order) else {}
    nearest = _nearest_in_history(bundle.catalogue, user.history.item_idx, order)
    return [
        item.model_copy(
            update={
                "contributions": {name: float(added[0, n]) for name, added in parts.items()},
                "explained_by": bundle.item_ids[nearest[n]] or None,
            }
        )
        for n, item in enumerate(items)
    ]


def item_idx_of(bundle: Bundle, item_ids: Sequence[str]) -> IntArray:
    """Return (n,) the item_idx of the products that the bundle knows, each once, in the order given."""
    return np.array([bundle.index[i] for i in dict.fromkeys(item_ids) if i in bundle.index], np.int32)


def to_items(
    bundle: Bundle, order: IntArray, scores: Sequence[float] | np.ndarray, moved: Sequence[str | None] | None = None
) -> list[Item]:
    """Return the products of a list; padding is left out. moved: of each product, the rule that moved it."""
    rows = zip(order.tolist(), np.asarray(scores).tolist(), moved or [None] * len(order), strict=True)
    return [
        Item(item_id=bundle.item_ids[i], title=bundle.titles[i], score=score, rule=rule) for i, score, rule in rows if i
    ]


def render_items(items: list[Item]) -> RenderedItems:
    """Return the products as JSON."""
    rules = tuple(item.rule for item in items)
    return RenderedItems(ITEMS.dump_json(items), tuple(item.item_id for item in items), rules if any(rules) else None)


def render_ruled(scored: ScoredList, k: int, version: str, items: list[Item]) -> RenderedItems:
    """Return the products as JSON; cached in the list for this version of the rules."""
    if any(known != version for _, known in scored.ruled):
        scored.ruled.clear()
    rendered = scored.ruled[k, version] = render_items(items)
    return rendered


def render_scored(bundle: Bundle, scored: ScoredList, k: int) -> RenderedItems:
    """Return the first k products of a list as JSON; cached in the list."""
    rendered = scored.rendered.get(k)
    if rendered is None:
        rendered = scored.rendered[k] = render_items(to_items(bundle, scored.items[:k], scored.scores[:k]))
    return rendered


def _item_idx(bundle: Bundle, item_id: str) -> int:
    index = bundle.index.get(item_id)
    if index is None:
        raise UnknownItemError
    return index


def _recommend_after(bundle: Bundle, model: Recommender, index: int, k: int, mask: BoolArray | None) -> Recommendation:
    """Return a model's list for a user whose only event is with this product."""
    user = build_user(bundle, [HistoryRow(bundle.item_ids[index], None, None)])
    reason = None
    if model is not bundle.model:
        ranked = model.recommend(user, min(k, bundle.info.n_items), True, mask)
        if ranked.scores[0, 0] >= MIN_EVIDENCE:
            return Recommendation(to_items(bundle, ranked.items[0], ranked.scores[0]), model.name, None)
        reason = "nothing was bought with it yet"
    scored = score_users(bundle, [user], k, mask)[0]
    return Recommendation(to_items(bundle, scored.items, scored.scores), scored.model, reason or scored.reason)


def _nearest_in_history(items: Catalogue, history: IntArray, order: IntArray) -> IntArray:
    """Return for each product the item_idx of the history whose text is nearest; 0 where there is none."""
    if items.embedding is None or not len(history) or not len(order):
        return np.zeros(len(order), np.int32)
    similarity = items.embedding[order].astype(np.float32) @ items.embedding[history].astype(np.float32).T
    nearest: IntArray = np.where(similarity.max(axis=1) > 0, history[similarity.argmax(axis=1)], 0).astype(np.int32)
    return nearest
