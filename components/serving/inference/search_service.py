"""Search in one bundle: the word index, the encoder, popularity, and the user's scores."""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache

import numpy as np

from components.contracts import BoolArray, FloatArray, IntArray, Users
from components.language.encoder import Encoder
from components.modalities.vectors import PICTURE
from components.params import LanguageParams
from components.recommenders.blending import scaled
from components.recommenders.top_k import top_k
from components.release.bundle import Bundle
from components.search.index import Hits
from components.search.ordering import NO_WORD, keep_order
from components.serving.inference.histories import build_user
from components.serving.inference.merchandising import Merchandise
from components.serving.inference.picture_queries import PictureQueries
from components.serving.inference.recommendations import Recommendation, to_items

CACHED_VECTORS = 2000  # of queries: many are repeated
RULES_POOL = 5  # merchandising rules rearrange the best RULES_POOL * k products
PICTURE_POOL = 500  # best products for a query that are ranked by their pictures
PERSONAL_POOL = 500  # best products of a large catalogue that are ranked for the user


class SearchService:
    """Search in the products of one bundle."""

    def __init__(self, bundle: Bundle, language: LanguageParams) -> None:
        """language: parameters of the encoder, except max_tokens, which is the bundle's."""
        self.bundle = bundle
        self.language = language.model_copy(update={"max_tokens": bundle.info.encoder.max_tokens, "threads": 1})
        self._encoder_lock = threading.Lock()  # a tokenizer is not thread-safe
        self.encode_query = lru_cache(maxsize=CACHED_VECTORS)(self._encode_query)

    @cached_property
    def encoder(self) -> Encoder | None:
        """Return the encoder of the products' vectors; None where the bundle lacks it: search then uses words only."""
        folder = self.bundle.folder / "encoder"
        return Encoder.load(folder, self.language) if folder.is_dir() else None

    @cached_property
    def popularity(self) -> FloatArray:
        """Return (n_items + 1,) the fallback's scores for a user without a history."""
        popularity: FloatArray = self.bundle.fallback.score(build_user(self.bundle, []))[0]
        return popularity

    def warm_up(self) -> None:
        """Load index and encoder, so that no request waits for it."""
        if self.bundle.search is not None:
            self.search("a", None, 1, None)

    def search(
        self, query: str, user: Users | None, k: int, mask: BoolArray | None, rules: Merchandise | None = None
    ) -> Recommendation | None:
        """Return the best k products for a query; None where the bundle holds no index.

        user: for personal scores; None: not personalised. rules: of the list; they move no product above one that
        matches the query better by words, except by a pin, and a pin moves only what matches by a word.
        """
        pool = k if rules is None else RULES_POOL * k
        hits = self._search(query, user, pool, mask)
        if hits is None:
            return None
        order: IntArray = np.arange(len(hits.items), dtype=np.int32)
        moved: list[str | None] | None = None
        if rules is not None:
            order = rules.rearranged(hits.items, hits.kinds, hits.kinds > NO_WORD)[:k]
            moved = rules.moved_by(hits.items, hits.items[order])
        items = to_items(self.bundle, hits.items[order], hits.scores[order], moved)
        return Recommendation(items, "search", hits.reason)

    def search_picture(
        self, image: str, query: str, k: int, mask: BoolArray | None, rules: Merchandise | None = None
    ) -> Recommendation:
        """Return the k products whose pictures are most similar; with a query, of the best PICTURE_POOL that it finds.

        image: a picture in base64. rules: of the list; their pins do not count. Raises MissingPartError where the
        bundle has no pictures or the service no encoder, PictureError for a picture that cannot be read.
        """
        queries = self.pictures  # first: it says what is missing
        vectors = (self.bundle.catalogue.vectors or {})[PICTURE]
        similarity = vectors @ queries.vector(image)
        candidates = np.array(vectors.any(axis=1))
        if mask is not None:
            candidates &= mask
        if query.strip():
            hits = self._search(query, None, PICTURE_POOL, candidates)
            found = np.zeros_like(candidates)
            found[hits.items if hits is not None else []] = True
            candidates &= found
        best = top_k(np.where(candidates, similarity, -np.inf)[None], k if rules is None else RULES_POOL * k)
        items = best.items[0][np.isfinite(best.scores[0])]
        listed, moved = items[:k], None
        if rules is not None:
            listed = items[rules.rearranged(items, np.zeros(len(items), np.int8), np.zeros(len(items), bool))[:k]]
            moved = rules.moved_by(items, listed)
        return Recommendation(to_items(self.bundle, listed, similarity[listed], moved), "search", None)

    @cached_property
    def pictures(self) -> PictureQueries:
        """Return what encodes the pictures of searches; loaded by the first of them."""
        return PictureQueries.of(self.bundle.folder)

    def _search(self, query: str, user: Users | None, k: int, mask: BoolArray | None) -> Hits | None:
        """Return the best k hits; None where the bundle holds no index."""
        index, vectors = self.bundle.search, self.bundle.catalogue.embedding
        if index is None:
            return None
        vector = self.encode_query(query.strip()) if vectors is not None else None
        semantic = None if vector is None or vectors is None else (vector, vectors)
        has_history = user is not None and len(user.history.item_idx)
        ann_index = self.bundle.ann
        if ann_index is None:
            personal = scaled(self.bundle.model.score(user))[0] if user is not None and has_history else None
            hits = index.search(query, k, semantic, personal, self.popularity, mask)
        else:  # too many products to score all of them in each request: the best ones are reranked for the user
            n = max(k, PERSONAL_POOL) if has_history else k
            hits = index.search(query, n, semantic, None, self.popularity, mask, ann_index)
            if user is not None and has_history:
                hits = self._rerank_for(user, hits, k, index.params.personal_weight)
        return hits

    def _rerank_for(self, user: Users, hits: Hits, k: int, weight: float) -> Hits:
        """Return the best k of the hits for a user."""
        if not len(hits.items):
            return hits
        personal = np.insert(self.bundle.model.score(user, hits.items), 0, 0, axis=1)  # (1, 1 + n), padding first
        scores = hits.scores * (1 + weight * np.clip(scaled(personal)[0, 1:], 0, 1))
        scores = keep_order(scores, hits.kinds)
        order = np.argsort(-scores, kind="stable")[:k]
        return Hits(hits.items[order], scores[order], hits.kinds[order], hits.reason)

    def _encode_query(self, query: str) -> FloatArray | None:
        if self.encoder is None or not query:
            return None
        with self._encoder_lock:
            vector: FloatArray = self.encoder.encode([query])[0]
        return vector if np.isfinite(vector).all() and vector.any() else None  # zero: no known token
