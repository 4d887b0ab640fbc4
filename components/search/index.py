"""Search: BM25 and embedding similarity fused, then boosted by popularity and by the user's preferences."""

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
from components.contracts import BoolArray, Catalogue, FloatArray, IntArray
from components.errors import ContractError
from components.io import write_bytes
from components.params import SearchParams
from components.recommenders.ann_index import AnnIndex
from components.recommenders.top_k import top_k
from components.search.lexical import LexicalIndex

ARRAYS, INFO, FORMAT = "arrays.safetensors", "search.json", 1
MAX_WORD_CANDIDATES = 1000  # with an ANN index: products that match by words, whose similarity is also computed


@dataclass(frozen=True)
class Hits:
    """The result of a query."""

    items: IntArray  # (n,) best first
    scores: FloatArray  # (n,) descending
    reason: str | None  # how the query was changed where not all words were found; else None


class SearchIndex:
    """The search index of one catalogue."""

    def __init__(self, lexical: LexicalIndex, n_items: int, params: SearchParams) -> None:
        self.lexical, self.n_items, self.params = lexical, n_items, params

    @classmethod
    def build(cls, catalogue: Catalogue, params: SearchParams) -> Self:
        """Index a catalogue."""
        return cls(LexicalIndex.build(catalogue, params), len(catalogue), params)

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
        scores, corrections = self.lexical.score(query, self.n_items, self.params)
        has_words = bool(scores.max(initial=0) > 0)
        fused = scores / scores.max() if has_words else scores
        has_meaning = vectors is not None and bool(vectors[0].any())
        if vectors is not None and has_meaning:
            compared = self._select_compared(vectors[0], scores, candidates, ann)
            similarity = np.zeros_like(scores)
            similarity[compared] = np.maximum(vectors[1][compared] @ vectors[0], 0)
            fused = fused + self.params.semantic_weight * similarity / max(float(similarity.max()), 1e-9)
            if has_words and self.params.similar_candidates:  # of items without a query word, only the most similar
                n = min(self.params.similar_candidates, len(similarity[compared]))
                floor = np.partition(similarity[compared], -n)[-n]
                fused = np.where((scores > 0) | (similarity >= floor), fused, 0)
        if popular is not None and self.params.popularity_weight:
            boost = np.sqrt(np.maximum(popular, 0))
            fused = fused * (1 + self.params.popularity_weight * boost / max(float(boost.max()), 1e-9))
        reason = f"read as {', '.join(dict.fromkeys(corrections))}" if corrections else None
        if not has_words and not has_meaning:
            if popular is None:
                return Hits(np.zeros(0, np.int32), np.zeros(0, np.float32), "nothing matches")
            fused, reason = popular - popular.min() + 1e-9, "nothing matches; popular products"
        elif not has_words:
            reason = "no product has these words; products that read like them"
        if personal is not None:
            fused = fused * (1 + self.params.personal_weight * np.clip(personal, 0, 1))
        listable = np.where(fused != 0, fused, -np.inf).astype(np.float32)
        listable[0] = -np.inf
        if candidates is not None:
            listable[~candidates] = -np.inf
        best = top_k(listable[None], k)
        n = int(np.count_nonzero(best.items[0]))
        return Hits(best.items[0, :n], best.scores[0, :n], reason)

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
        write_bytes(folder / ARRAYS, save(arrays))
        info = {"format": FORMAT, "n_items": self.n_items, "params": self.params.model_dump(mode="json")}
        text = json.dumps(info | {"vocabulary": lexical.vocabulary}, sort_keys=True, ensure_ascii=False)
        write_bytes(folder / INFO, f"{text}\n".encode(errors="surrogatepass"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or damaged."""
        try:
            text = (folder / INFO).read_text(encoding="utf-8", errors="surrogatepass")
            info = translate("search", json.loads(text))
            if info["format"] != FORMAT:
                raise ValueError(f"format {info['format']}, expected {FORMAT}")
            arrays, vocabulary = translate("search_arrays", load_file(folder / ARRAYS)), info["vocabulary"]
            starts, items, weights = (arrays[name] for name in ("starts", "items", "worth"))
            n_items = int(info["n_items"])
            if len(starts) != len(vocabulary) + 1 or starts[-1] != len(items) or len(items) != len(weights):
                raise ValueError("arrays of different length")
            if len(items) and not 0 < items.min() <= items.max() <= n_items:
                raise ValueError(f"products {items.min()}..{items.max()} of {n_items}")
            if not np.isfinite(weights).all() or (np.diff(starts) < 0).any():
                raise ValueError("weights are not finite, or the starts of words do not ascend")
            params = SearchParams.from_saved(info["params"])
            return cls(LexicalIndex(vocabulary, starts, items, weights), n_items, params)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{folder}: no search index ({error}); run the stage `package` again") from None
