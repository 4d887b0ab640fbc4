"""A query as typed -> products: the bundle's words, its encoder, what is popular, and what the user likes."""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache

import numpy as np

from components.contracts import BoolArray, FloatArray, Users
from components.language.encoder import Encoder
from components.params import LanguageParams
from components.recommenders.blending import scaled
from components.release.bundle import Bundle
from components.search.index import Hits
from components.serving.inference.recommendations import Recommendation, as_items, user_of

REMEMBERED = 2000  # vectors of queries: the same ones come again
POOL = 500  # products of a large catalogue that are put in the order of who asks


class SearchService:
    """Search by one bundle."""

    def __init__(self, bundle: Bundle, language: LanguageParams) -> None:
        """language: how texts are read; the bundle says how many tokens of them."""
        self.bundle = bundle
        self.language = language.model_copy(update={"max_tokens": bundle.info.encoder.max_tokens, "threads": 1})
        self._reading = threading.Lock()  # a tokenizer serves one at a time
        self.vector = lru_cache(maxsize=REMEMBERED)(self._vector)

    @cached_property
    def encoder(self) -> Encoder | None:
        """Return what made the products' vectors; None where the bundle does not hold it: words alone count then."""
        folder = self.bundle.folder / "encoder"
        return Encoder.load(folder, self.language) if folder.is_dir() else None

    @cached_property
    def popular(self) -> FloatArray:
        """Return (n_items + 1,) the fallback's scores for a stranger."""
        popular: FloatArray = self.bundle.fallback.score(user_of(self.bundle, []))[0]
        return popular

    def warm(self) -> None:
        """Load index and encoder, so that no visitor waits for it."""
        if self.bundle.search is not None:
            self.find("a", None, 1, None)

    def find(self, query: str, user: Users | None, k: int, mask: BoolArray | None) -> Recommendation | None:
        """Return the best k products for a query; None where the bundle holds no index.

        user: whose likes count, None for nobody's.
        """
        index, vectors = self.bundle.search, self.bundle.catalogue.embedding
        if index is None:
            return None
        vector = self.vector(query.strip()) if vectors is not None else None
        both = None if vector is None or vectors is None else (vector, vectors)
        knows = user is not None and len(user.history.item_idx)
        ann = self.bundle.ann
        if ann is None:
            personal = scaled(self.bundle.model.score(user))[0] if user is not None and knows else None
            hits = index.search(query, k, both, personal, self.popular, mask)
        else:  # too many products to score all of them for each who asks: the best are put in the user's order
            hits = index.search(query, max(k, POOL) if knows else k, both, None, self.popular, mask, ann)
            if user is not None and knows:
                hits = self._in_order_of(user, hits, k, index.params.personal_weight)
        return Recommendation(as_items(self.bundle, hits.items, hits.scores), "search", hits.reason)

    def _in_order_of(self, user: Users, hits: Hits, k: int, weight: float) -> Hits:
        """Return the best k of the hits, in the order of a user."""
        if not len(hits.items):
            return hits
        liked = np.insert(self.bundle.model.score(user, hits.items), 0, 0, axis=1)  # (1, 1 + n), no product first
        scores = hits.scores * (1 + weight * np.clip(scaled(liked)[0, 1:], 0, 1))
        order = np.argsort(-scores, kind="stable")[:k]
        return Hits(hits.items[order], scores[order], hits.reason)

    def _vector(self, query: str) -> FloatArray | None:
        if self.encoder is None or not query:
            return None
        with self._reading:
            vector: FloatArray = self.encoder.encode([query])[0]
        return vector if np.isfinite(vector).all() else None
