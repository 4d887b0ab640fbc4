"""From a request to a list: the champion's model where it knows something of the user, else the fallback."""

import logging
from datetime import UTC, datetime, timedelta

import numpy as np

from components.contracts import EVENTS, BoolArray, Ragged, Ranked, Recommender, Users
from components.recommenders.base import top_k
from components.release.bundle import Bundle
from components.serving.schemas import Event, Item, RecommendRequest, SimilarRequest

log = logging.getLogger("serving")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Found = tuple[list[Item], str, str | None]  # items, model, reason


class UnknownItemError(Exception):
    """The bundle does not hold the product that was asked about."""


def recommend(bundle: Bundle, request: RecommendRequest) -> Found:
    """Return the list for a user, the name of the model that made it, and why it was not the champion's (or None)."""
    users = user_of(bundle, request.history)
    candidates = _candidates(bundle, request.exclude)
    reason = None
    if not len(users.history.item_idx):
        reason = "no history that the model knows" if request.history else "no history"
    return _ask(bundle, users, request.k, candidates, reason)


def similar(bundle: Bundle, request: SimilarRequest) -> Found:
    """Return the products whose text is nearest; of a product without a text, what the model adds to it.

    Raises UnknownItemError for a product that the bundle does not know.
    """
    index = bundle.index.get(request.item_id)
    if index is None:
        raise UnknownItemError
    candidates = _candidates(bundle, [*request.exclude, request.item_id])
    vectors = bundle.catalogue.embedding
    if vectors is None or not vectors[index].any():
        return _ask(bundle, user_of(bundle, [Event(item_id=request.item_id)]), request.k, candidates, None)
    scores = np.where(candidates & vectors.any(axis=1), vectors @ vectors[index], -np.inf).astype(np.float32)
    scores[0] = -np.inf
    return _items(bundle, top_k(scores[None], request.k)), "text", None


def user_of(bundle: Bundle, events: list[Event]) -> Users:
    """Return one user with the events that the model learns from: known products, newest max_history, oldest first."""
    weights = bundle.info.weights
    usual = max(weights, key=lambda name: weights[name])
    rows = [(e, bundle.index.get(e.item_id, 0), e.event or usual) for e in events]
    rows = [row for row in rows if row[1] and row[2] in weights]
    if rows and rows[0][0].timestamp is not None:
        rows.sort(key=lambda row: _microseconds(row[0].timestamp))
    rows = rows[-bundle.info.max_history :]
    now = bundle.info.validation_end
    times = [now if e.timestamp is None else _microseconds(e.timestamp) for e, _, _ in rows]
    history = Ragged(
        offsets=np.array([0, len(rows)], dtype=np.int64),
        item_idx=np.array([item for _, item, _ in rows], dtype=np.int32),
        timestamp=np.array(times, dtype=np.int64),
        event=np.array([EVENTS.index(name) for _, _, name in rows], dtype=np.int8),
        weight=np.array([weights[name] for _, _, name in rows], dtype=np.float32),
    )
    return Users(np.zeros(1, dtype=np.int32), history, max([now, *times]) + 1)


def _ask(bundle: Bundle, users: Users, k: int, candidates: BoolArray, reason: str | None) -> Found:
    if reason is None:
        try:
            return _items(bundle, _rank(bundle.model, bundle, users, k, candidates)), bundle.info.model, None
        except Exception:  # whatever a model raises, the visitor gets a list
            log.exception("the model of bundle %s failed; the fallback answers", bundle.digest[:12])
            reason = "the model failed"
    return _items(bundle, _rank(bundle.fallback, bundle, users, k, candidates)), bundle.fallback.name, reason


def _rank(model: Recommender, bundle: Bundle, users: Users, k: int, candidates: BoolArray) -> Ranked:
    return model.recommend(users, min(k, bundle.info.n_items), bundle.info.exclude_seen, candidates)


def _candidates(bundle: Bundle, exclude: list[str]) -> BoolArray:
    """Return (n_items + 1,) which products may be listed; ids that the bundle does not know exclude nothing."""
    candidates = np.ones(len(bundle.item_ids), dtype=np.bool_)
    candidates[[bundle.index.get(item_id, 0) for item_id in exclude]] = False
    return candidates


def _items(bundle: Bundle, ranked: Ranked) -> list[Item]:
    pairs = zip(ranked.items[0].tolist(), ranked.scores[0].tolist(), strict=True)
    return [Item(item_id=bundle.item_ids[i], title=bundle.titles[i], score=score) for i, score in pairs if i]


def _microseconds(time: datetime | None) -> int:
    return 0 if time is None else (time - EPOCH) // timedelta(microseconds=1)
