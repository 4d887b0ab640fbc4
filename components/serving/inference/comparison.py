"""A user's history, and the lists that several models make from it, for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from components.contracts import PRODUCT_KIND
from components.release.bundle import Bundle
from components.serving.inference.histories import build_user, to_rows
from components.serving.inference.model_context import ModelContext
from components.serving.inference.scorer import score_users
from components.serving.schemas import Item, RecommendRequest
from components.serving.storage.event_store import EventStore
from components.serving.storage.merchandising import RuleSet
from components.times import now_micros, to_datetime

MAX_HISTORY = 50  # events that the page shows


class Product(BaseModel):
    """What the catalogue says of a product."""

    title: str
    brand: str
    category: str
    language: str
    kind: str
    price: float | None


class ModelList(BaseModel):
    """The list of one model."""

    version: int
    model: str
    reason: str | None
    items: list[Item]


class PastEvent(BaseModel):
    """One event of the history, with the product's title."""

    item_id: str
    title: str
    event: str
    time: datetime


class ModelComparison(BaseModel):
    """A user's history, and the lists of both models."""

    history: Annotated[list[PastEvent], Field(description="newest first")]
    champion: ModelList
    challenger: ModelList | None  # None: there is none, or it is still loading
    products: Annotated[dict[str, Product], Field(description="of the lists and the history, by item_id")]


def compare_models(
    store: EventStore, models: Sequence[tuple[int, ModelContext]], request: RecommendRequest, n: int, rules: RuleSet
) -> ModelComparison:
    """Return the recommendations of one or two models, the champion's first, from the same stored history.

    models: version and context. request: user and length of the lists. n: products that are scored before merchandising
    rules, which apply as in /recommend. Raises StoreError.
    """
    bundle = models[0][1].bundle
    n_newest = max(MAX_HISTORY, *(context.bundle.info.max_history for _, context in models))
    events = store.history(request.user_id or "", n_newest, now_micros())
    history = [
        PastEvent(
            item_id=e.item_id,
            title=bundle.titles[bundle.index.get(e.item_id, 0)],
            event=e.event,
            time=to_datetime(e.at),
        )
        for e in reversed(events[-MAX_HISTORY:])
    ]
    lists = []
    for version, context in models:
        user = build_user(context.bundle, to_rows(events[-context.bundle.info.max_history :]))
        scored = score_users(context.bundle, [user], n)[0]
        found = context.recommend(user, scored, request, frozenset(), rules)
        lists.append(ModelList(version=version, model=found.model, reason=found.reason, items=found.items))
    shown = [e.item_id for e in history] + [item.item_id for found in lists for item in found.items]
    shown += [item.explained_by for found in lists for item in found.items if item.explained_by]
    return ModelComparison(
        history=history,
        champion=lists[0],
        challenger=lists[1] if len(lists) > 1 else None,
        products={k: v for _, context in models[::-1] for k, v in describe_products(context.bundle, shown).items()},
    )


def describe_products(bundle: Bundle, item_ids: Iterable[str]) -> dict[str, Product]:
    """Return item_id -> what the bundle's catalogue says; unknown products are left out."""
    catalogue, found = bundle.catalogue, {}
    for item_id in dict.fromkeys(item_ids):
        n = bundle.index.get(item_id, 0)
        if n:
            price = float(catalogue.price[n])
            found[item_id] = Product(
                title=bundle.titles[n],
                brand=catalogue.brand[n],
                category=catalogue.category[n],
                language=catalogue.language[n],
                kind=catalogue.kinds[n] if catalogue.kind else PRODUCT_KIND,
                price=None if np.isnan(price) else round(price, 2),
            )
    return found
