"""Search: words, text similarity, popularity and clicks weighed, and the user's preferences, in a stated order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.compat import translate
from components.contracts import BoolArray, Catalogue, FloatArray, IntArray, TimeArray
from components.errors import ContractError
from components.io import write_bytes
from components.params import SearchParams, SearchWeightsParams
from components.recommenders.ann_index import AnnIndex
from components.recommenders.top_k import top_k
from components.search.clicks import ClickCounts
from components.search.lexical import LexicalIndex
from components.search.matching import match_words
from components.search.ordering import Kinds, keep_order, match_kinds
from components.search.weights import QuerySignals, log_popularity, weigh

ARRAYS, INFO, FORMAT = "arrays.safetensors", "search.json", 2
LATER_PARAMS = {"min_queries": SearchParams.model_fields["min_queries"].default}  # an index before 0.5 lacks it
MAX_WORD_CANDIDATES = 1000  # with an ANN index: products that match by words, whose similarity is also computed


@dataclass(frozen=True)
class Hits:
    """The result of a query."""

    items: IntArray  # (n,) best first
    scores: FloatArray  # (n,) descending
    kinds: Kinds  # (n,) how each matches by words
    reason: str | None  # how the query was changed where not all words were found; else None


class SearchIndex:
    """The search index of one catalogue."""

    def __init__(
        self,
        lexical: LexicalIndex,
        n_items: int,
        params: SearchParams,
        clicks: ClickCounts | None = None,
        weights: SearchWeightsParams | None = None,
    ) -> None:
        """weights: learned from searches with clicks; None: those of the parameters, which know no clicks."""
        self.lexical, self.n_items, self.params, self.clicks, self.weights = lexical, n_items, params, clicks, weights

    @classmethod
    def build(cls, catalogue: Catalogue, params: SearchParams) -> Self:
        """Index a catalogue."""
        return cls(LexicalIndex.build(catalogue, params), len(catalogue), params)

    def with_weights(self, clicks: ClickCounts | None, weights: SearchWeightsParams | None) -> SearchIndex:
        """Return this index with other clicks and weights."""
        return SearchIndex(self.lexical, self.n_items, self.params, clicks, weights)

    def search(
        self,
        query: str,
        k: int,
        vectors: tuple[FloatArray, FloatArray] | None = None,
        personal: FloatArray | None = None,
        popular: FloatArray | None = None,
        candidates: BoolArray | None = None,
        ann: AnnIndex | None = None,
    ) -> Hits:
        """Return the best k products for a query.

        vectors: the query's (dim,) and the products' (n_items + 1, dim), unit, by one encoder. The others are
        (n_items + 1,). personal: the recommender's scores for the user, 0 for the mean product and 1 for the best.
        popular: popularity of the products; the most popular are returned where nothing matches. candidates: False
        excludes a product. ann: of a large catalogue; similarity is computed for the items that it finds, and for the
        best matches by words, not for all.
        """
        match = match_words(self.lexical, query, self.n_items, self.params)
        kinds = match_kinds(match.scores, match.has_all, match.is_id)
        has_words = bool(match.scores.any())
        words = match.scores / match.scores.max() if has_words else match.scores
        similarity, found = np.zeros_like(words), words > 0
        has_meaning = vectors is not None and bool(vectors[0].any())
        if vectors is not None and has_meaning:
            similarity, found = self._compare(words, vectors, candidates, ann)
        read_as = " ".join([query, *match.corrections])
        fused = self._fuse(read_as, words, similarity, popular) * found
        reason = f"read as {', '.join(dict.fromkeys(match.corrections))}" if match.corrections else None
        if not has_words and not has_meaning:
            if popular is None:
                return Hits(np.zeros(0, np.int32), np.zeros(0, np.float32), kinds[:0], "nothing matches")
            fused, reason = popular - popular.min() + 1e-9, "nothing matches; popular products"
        elif not has_words:
            reason = "no product has these words; products that read like them"
        if personal is not None:
            fused = fused * (1 + self.params.personal_weight * np.clip(personal, 0, 1))
        if candidates is not None:
            fused = np.where(candidates, fused, 0)
        fused = keep_order(fused, kinds)
        listable = np.where(fused > 0, fused, -np.inf).astype(np.float32)
        listable[0] = -np.inf
        best = top_k(listable[None], k)
        n = int(np.count_nonzero(best.items[0]))
        items: IntArray = best.items[0, :n]
        return Hits(items, best.scores[0, :n], kinds[items], reason)

    def signals(
        self, query: str, vectors: tuple[FloatArray, FloatArray], popular: FloatArray, ann: AnnIndex | None = None
    ) -> tuple[QuerySignals, BoolArray]:
        """Return what is known of each product for a query, and (n_items + 1,) which products it finds."""
        match = match_words(self.lexical, query, self.n_items, self.params)
        words = match.scores / max(float(match.scores.max()), 1e-9)
        similarity, found = self._compare(words, vectors, None, ann)
        return self._signals(" ".join([query, *match.corrections]), words, similarity, popular), found

    def _fuse(self, query: str, words: FloatArray, similarity: FloatArray, popular: FloatArray | None) -> FloatArray:
        """Return (n_items + 1,) scores by the learned weights, or without such by those of the parameters."""
        if self.weights is not None:
            return weigh(self._signals(query, words, similarity, popular), self.weights)
        fused = words + self.params.semantic_weight * similarity
        if popular is not None and self.params.popularity_weight:
            boost = np.sqrt(np.maximum(popular, 0))
            fused = fused * (1 + self.params.popularity_weight * boost / max(float(boost.max()), 1e-9))
        return fused.astype(np.float32)

    def _signals(
        self, query: str, words: FloatArray, similarity: FloatArray, popular: FloatArray | None
    ) -> QuerySignals:
        clicks = self.clicks.per_word(query, self.n_items) if self.clicks is not None else np.zeros_like(words)
        return QuerySignals(words, similarity, log_popularity(popular, self.n_items), np.log1p(clicks))

    def _compare(
        self,
        words: FloatArray,
        vectors: tuple[FloatArray, FloatArray],
        candidates: BoolArray | None,
        ann: AnnIndex | None,
    ) -> tuple[FloatArray, BoolArray]:
        """Return each product's similarity, 1 for the highest, and which products the query finds.

        Found are those with a word of the query, and the most similar others.
        """
        compared = self._select_compared(vectors[0], words, candidates, ann)
        similarity = np.zeros_like(words)
        similarity[compared] = np.maximum(vectors[1][compared] @ vectors[0], 0)
        found: BoolArray = (words > 0) | (similarity > 0)
        if words.any() and self.params.similar_candidates:
            n = min(self.params.similar_candidates, len(similarity[compared]))
            floor = np.partition(similarity[compared], -n)[-n]
            found = (words > 0) | (found & (similarity >= floor))
        return similarity / max(float(similarity.max()), 1e-9), found

    def _select_compared(
        self, vector: FloatArray, scores: FloatArray, candidates: BoolArray | None, ann: AnnIndex | None
    ) -> IntArray | slice:
        """Return the products whose similarity to the query is computed."""
        if ann is None:
            return slice(None)
        similar = ann.search(vector, max(self.params.similar_candidates, 1), candidates)
        with_words = np.flatnonzero(scores)
        if len(with_words) > MAX_WORD_CANDIDATES:
            with_words = with_words[np.argpartition(scores[with_words], -MAX_WORD_CANDIDATES)[-MAX_WORD_CANDIDATES:]]
        return np.union1d(similar, with_words).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write arrays.safetensors, then search.json; the same index gives the same bytes."""
        lexical = self.lexical
        arrays: dict[str, NDArray[Any]] = {"starts": lexical.starts, "items": lexical.items, "worth": lexical.weights}
        arrays["word_terms"] = lexical.word_terms
        info = {"format": FORMAT, "n_items": self.n_items, "params": self.params.model_dump(mode="json")}
        info |= {"vocabulary": lexical.vocabulary, "words": lexical.words}
        if self.weights is not None and self.clicks is not None:
            clicks = self.clicks
            arrays |= {"click_starts": clicks.starts, "click_items": clicks.items, "click_counts": clicks.counts}
            info |= {"click_words": clicks.words, "weights": self.weights.model_dump(mode="json")}
        write_bytes(folder / ARRAYS, save(arrays))
        text = json.dumps(info, sort_keys=True, ensure_ascii=False)
        write_bytes(folder / INFO, f"{text}\n".encode(errors="surrogatepass"))

    @classmethod
    def load(cls, folder: Path, catalogue: Catalogue) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or damaged.

        catalogue: the products of the index. Format 1 (until version 0.2) holds words in other forms than queries are
        read in today; from such a file only the parameters are taken, and the products are indexed again.
        """
        try:
            text = (folder / INFO).read_text(encoding="utf-8", errors="surrogatepass")
            info = translate("search", json.loads(text))
            if info["format"] not in (1, FORMAT):
                raise ValueError(f"format {info['format']}, expected {FORMAT}")
            params = SearchParams.from_saved(LATER_PARAMS | info["params"])
            arrays = translate("search_arrays", load_file(folder / ARRAYS))
            starts, items, weights = (arrays[name] for name in ("starts", "items", "worth"))
            _check(info["vocabulary"], starts, items, weights, int(info["n_items"]))
            if info["format"] == 1:
                return cls.build(catalogue, params)
            words, word_terms = info["words"], arrays["word_terms"]
            if len(words) != len(word_terms) or (len(words) and word_terms.max() >= len(info["vocabulary"])):
                raise ValueError("words without a term")
            lexical = LexicalIndex(info["vocabulary"], starts, items, weights, words, word_terms)
            return cls(lexical, int(info["n_items"]), params, *_read_clicks(info, arrays))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{folder}: no search index ({error}); run the stage `package` again") from None


def _read_clicks(
    info: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> tuple[ClickCounts | None, SearchWeightsParams | None]:
    """Return the clicks and the learned weights; None where the index has none."""
    if "weights" not in info:
        return None, None
    words = info["click_words"]
    starts, items, counts = (arrays[f"click_{name}"] for name in ("starts", "items", "counts"))
    _check(words, starts, items, counts, int(info["n_items"]))
    return ClickCounts(words, starts, items, counts), SearchWeightsParams.from_saved(info["weights"])


def _check(vocabulary: list[str], starts: TimeArray, items: IntArray, weights: FloatArray, n_items: int) -> None:
    """Raise ValueError where the arrays of an index do not belong together."""
    if len(starts) != len(vocabulary) + 1 or starts[-1] != len(items) or len(items) != len(weights):
        raise ValueError("arrays of different length")
    if len(items) and not 0 < items.min() <= items.max() <= n_items:
        raise ValueError(f"products {items.min()}..{items.max()} of {n_items}")
    if not np.isfinite(weights).all() or (np.diff(starts) < 0).any():
        raise ValueError("weights are not finite, or the starts of words do not ascend")
