"""From a request to a list: whose history it is, what may be listed, and why a product is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.contracts import EVENTS, BoolArray, Catalogue, IntArray, Recommender, Users
from components.ragged import Ragged
from components.recommenders.base import top_k
from components.release.bundle import Bundle
from components.serving.inference.rules import mmr_rerank
from components.serving.inference.scorer import NO_HISTORY, ScoredList, best_of
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Event, Filters, Item, RecommendRequest, SimilarRequest
from components.serving.storage.event_store import StoredEvent
from components.times import to_micros

POOL = 5  # of so many times k products a diverse list is chosen
EVIDENCE = 1e-4  # a part that scores less knows nothing of a product: only popularity, which breaks ties, is left
TOGETHER = ("neighbours", "ease", "als")  # models that know what is bought together, the first one that is there
Out = frozenset[str]  # item_ids of which there is none in stock


class UnknownItemError(Exception):
    """The bundle does not hold the product that was asked about."""


class Row(NamedTuple):
    """One event of a history; at: us, None where nobody said when."""

    item_id: str
    event: str | None
    at: int | None


class Recommendation(NamedTuple):
    """A list, who made it, and why it was not the bundle's model (or None)."""

    items: list[Item]
    model: str
    reason: str | None


def recommend(
    champion: ServedModel, user: Users, best: ScoredList, request: RecommendRequest, out: Out
) -> Recommendation:
    """Return the user's list: of the best products what may be listed; further ones are looked for where too few may.

    Raises RuleError for a rule that cannot be read.
    """
    bundle = champion.bundle
    here = [request.context.item_id] if request.context.item_id else []
    mask = allowed(champion, request.filters, [*request.exclude, *here], out)
    n = request.k if not request.diversity else min(POOL * request.k, len(best.items))
    kept = best if mask is None else best.within(mask)
    if len(kept.items) < n and not kept.whole:
        kept = best_of(bundle, [user], n, mask)[0]
    order, scores = kept.items[:n], kept.scores[:n]
    vectors = bundle.catalogue.embedding
    if request.diversity and len(order) > 1 and vectors is not None:
        places = mmr_rerank(order, scores, vectors, request.k, request.diversity)
        order, scores = order[places], scores[places]
    items = as_items(bundle, order, scores)
    if request.explain:
        items = explained(bundle, user, order, items)
    return Recommendation(items, kept.model, reason_of(kept, request))


def reason_of(best: ScoredList, request: RecommendRequest) -> str | None:
    """Return why it was the fallback, in the view of who asked."""
    return "no history that the model knows" if best.reason == NO_HISTORY and request.history else best.reason


def similar(champion: ServedModel, request: SimilarRequest, out: Out) -> Recommendation:
    """Return the products whose text is nearest; of a product without a text, what the model adds to it.

    Raises UnknownItemError for a product that the bundle does not know, RuleError.
    """
    bundle, index = champion.bundle, _index(champion.bundle, request.item_id)
    mask = allowed(champion, request.filters, [*request.exclude, request.item_id], out)
    vectors = bundle.catalogue.embedding
    if vectors is None or not vectors[index].any():
        return _after(bundle, bundle.model, index, request.k, mask)
    if bundle.ann is not None:
        ranked = bundle.ann.nearest(vectors[index], vectors, request.k, mask)
    else:
        listable = vectors.any(axis=1) if mask is None else mask & vectors.any(axis=1)
        scores = np.where(listable, vectors @ vectors[index], -np.inf).astype(np.float32)
        scores[0] = -np.inf
        ranked = top_k(scores[None], request.k)
    return Recommendation(as_items(bundle, ranked.items[0], ranked.scores[0]), "text", None)


def bought_together(champion: ServedModel, request: SimilarRequest, out: Out) -> Recommendation:
    """Return what goes with a product, by a part of the model that counts what is bought together.

    Raises UnknownItemError for a product that the bundle does not know, RuleError.
    """
    bundle, index = champion.bundle, _index(champion.bundle, request.item_id)
    mask = allowed(champion, request.filters, [*request.exclude, request.item_id], out)
    parts = bundle.model.parts
    model = next((parts[name] for name in TOGETHER if name in parts), bundle.model)
    return _after(bundle, model, index, request.k, mask)


def allowed(champion: ServedModel, filters: Filters, exclude: Sequence[str], out: Out) -> BoolArray | None:
    """Return (n_items + 1,) what may be listed, None for everything; raises RuleError."""
    catalogue_filter, masks = champion.catalogue_filter, list[BoolArray]()
    for field, value in (("category", filters.category), ("brand", filters.brand), ("language", filters.language)):
        if value is not None:
            masks.append(catalogue_filter.equal(field, value))
    price = catalogue_filter.catalogue.price
    if filters.min_price is not None:
        masks.append(price >= filters.min_price)
    if filters.max_price is not None:
        masks.append(price <= filters.max_price)
    masks += [catalogue_filter.mask(rule) for rule in filters.rules]
    index = champion.bundle.index
    barred = [index[i] for i in (exclude if not filters.in_stock else (*exclude, *out)) if i in index]
    if barred:
        there = np.ones(len(price), np.bool_)
        there[barred] = False
        masks.append(there)
    if not masks:
        return None
    both: BoolArray = np.logical_and.reduce(masks)
    return both


def explained(bundle: Bundle, user: Users, order: IntArray, items: list[Item]) -> list[Item]:
    """Return the items with what each part of the model adds, and what of the history reads most like them."""
    parts = bundle.model.contributions(user, order) if len(order) else {}
    near = _nearest(bundle.catalogue, user.history.item_idx, order)
    return [
        item.model_copy(
            update={
                "why": {name: float(added[0, n]) for name, added in parts.items()},
                "because": bundle.item_ids[near[n]] or None,
            }
        )
        for n, item in enumerate(items)
    ]


def user_of(bundle: Bundle, rows: Sequence[Row]) -> Users:
    """Return one user with the events that the model learns from: known products, newest max_history, oldest first."""
    weights = bundle.info.weights
    usual = max(weights, key=lambda name: weights[name])
    known = [(row.at, bundle.index.get(row.item_id, 0), row.event or usual) for row in rows]
    known = [row for row in known if row[1] and row[2] in weights]
    if known and known[0][0] is not None:
        known.sort(key=lambda row: row[0] or 0)
    known = known[-bundle.info.max_history :]
    now = bundle.info.validation_end
    times = [now if at is None else at for at, _, _ in known]
    history = Ragged(
        offsets=np.array([0, len(known)], dtype=np.int64),
        item_idx=np.array([item for _, item, _ in known], dtype=np.int32),
        timestamp=np.array(times, dtype=np.int64),
        event=np.array([EVENTS.index(name) for _, _, name in known], dtype=np.int8),
        weight=np.array([weights[name] for _, _, name in known], dtype=np.float32),
    )
    return Users(np.zeros(1, dtype=np.int32), history, max([now, *times]) + 1)


def rows_of(history: Sequence[Event] | Sequence[StoredEvent], here: str | None = None) -> list[Row]:
    """Return the events as rows, and behind them a view of the product `here`."""
    rows = [
        Row(e.item_id, e.event, e.at)
        if isinstance(e, StoredEvent)
        else Row(e.item_id, e.event, None if e.timestamp is None else to_micros(e.timestamp))
        for e in history
    ]
    if here is not None:
        rows.append(Row(here, "view", rows[-1].at if rows else None))
    return rows


def rows_in(bundle: Bundle, user: Users) -> list[Row]:
    """Return the history of a bundle's user as rows, which another bundle reads in its own way."""
    rows = user.history
    columns = zip(rows.item_idx.tolist(), rows.event.tolist(), rows.timestamp.tolist(), strict=True)
    return [Row(bundle.item_ids[item], EVENTS[event], at) for item, event, at in columns]


def as_items(bundle: Bundle, order: IntArray, scores: Sequence[float] | np.ndarray) -> list[Item]:
    """Return the products of a list; padding is left out."""
    pairs = zip(order.tolist(), np.asarray(scores).tolist(), strict=True)
    return [Item(item_id=bundle.item_ids[i], title=bundle.titles[i], score=score) for i, score in pairs if i]


def _index(bundle: Bundle, item_id: str) -> int:
    index = bundle.index.get(item_id)
    if index is None:
        raise UnknownItemError
    return index


def _after(bundle: Bundle, model: Recommender, index: int, k: int, mask: BoolArray | None) -> Recommendation:
    """Return what a model lists for somebody who did one thing: with this product."""
    user = user_of(bundle, [Row(bundle.item_ids[index], None, None)])
    if model is not bundle.model:
        ranked = model.recommend(user, min(k, bundle.info.n_items), True, mask)
        if ranked.scores[0, 0] < EVIDENCE:
            found = best_of(bundle, [user], k, mask)[0]
            return Recommendation(
                as_items(bundle, found.items, found.scores), found.model, "nothing was bought with it yet"
            )
        return Recommendation(as_items(bundle, ranked.items[0], ranked.scores[0]), model.name, None)
    best = best_of(bundle, [user], k, mask)[0]
    return Recommendation(as_items(bundle, best.items, best.scores), best.model, best.reason)


def _nearest(items: Catalogue, history: IntArray, order: IntArray) -> IntArray:
    """Return for each product the item_idx of the history whose text is nearest; 0 where there is none."""
    if items.embedding is None or not len(history) or not len(order):
        return np.zeros(len(order), np.int32)
    likeness = items.embedding[order].astype(np.float32) @ items.embedding[history].astype(np.float32).T
    nearest: IntArray = np.where(likeness.max(axis=1) > 0, history[likeness.argmax(axis=1)], 0).astype(np.int32)
    return nearest
