"""Search: words and meaning fused, then what the user likes; whatever is typed, there is an answer and a reason."""

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
from components.recommenders.base import top_k
from components.search.lexical import LexicalIndex

ARRAYS, ABOUT, FORMAT = "arrays.safetensors", "search.json", 1
MOST = 1000  # products with a word of the query that its vector is compared with, in a large catalogue


@dataclass(frozen=True)
class Hits:
    """What a query found."""

    items: IntArray  # (n,) best first
    scores: FloatArray  # (n,) falling
    reason: str | None  # what was done beyond looking the words up, where it was


class SearchIndex:
    """The products of one catalogue, to be found."""

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
        popular: how much all users like a product, listed where nothing matches. candidates: False bars a product.
        ann: of a large catalogue; the query is compared with what the index finds and with the best by words.
        """
        scores, instead = self.lexical.score(query, self.n_items, self.params)
        worded = bool(scores.max(initial=0) > 0)
        fused = scores / scores.max() if worded else scores
        meant = vectors is not None and bool(vectors[0].any())
        if vectors is not None and meant:
            read = self._read(vectors[0], scores, candidates, ann)
            likeness = np.zeros_like(scores)
            likeness[read] = np.maximum(vectors[1][read] @ vectors[0], 0)
            fused = fused + self.params.semantic_weight * likeness / max(float(likeness.max()), 1e-9)
            if worded and self.params.similar_candidates:  # what holds no word must read very much like the query
                n = min(self.params.similar_candidates, len(likeness[read]))
                floor = np.partition(likeness[read], -n)[-n]
                fused = np.where((scores > 0) | (likeness >= floor), fused, 0)
        if popular is not None and self.params.popularity_weight:
            known = np.sqrt(np.maximum(popular, 0))
            fused = fused * (1 + self.params.popularity_weight * known / max(float(known.max()), 1e-9))
        reason = f"read as {', '.join(dict.fromkeys(instead))}" if instead else None
        if not worded and not meant:
            if popular is None:
                return Hits(np.zeros(0, np.int32), np.zeros(0, np.float32), "nothing matches")
            fused, reason = popular - popular.min() + 1e-9, "nothing matches; popular products"
        elif not worded:
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

    def _read(
        self, vector: FloatArray, scores: FloatArray, candidates: BoolArray | None, ann: AnnIndex | None
    ) -> IntArray | slice:
        """Return the products that the query's vector is compared with."""
        if ann is None:
            return slice(None)
        near = ann.search(vector, max(self.params.similar_candidates, 1), candidates)
        worded = np.flatnonzero(scores)
        if len(worded) > MOST:
            worded = worded[np.argpartition(scores[worded], -MOST)[-MOST:]]
        return np.union1d(near, worded).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write arrays.safetensors, then search.json; the same index gives the same bytes."""
        lexical = self.lexical
        arrays: dict[str, NDArray[Any]] = {"starts": lexical.starts, "items": lexical.items, "worth": lexical.weights}
        write_bytes(folder / ARRAYS, save(arrays))
        about = {"format": FORMAT, "n_items": self.n_items, "params": self.params.model_dump(mode="json")}
        text = json.dumps(about | {"vocabulary": lexical.vocabulary}, sort_keys=True, ensure_ascii=False)
        write_bytes(folder / ABOUT, f"{text}\n".encode(errors="surrogatepass"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ContractError when a file is missing or damaged."""
        try:
            text = (folder / ABOUT).read_text(encoding="utf-8", errors="surrogatepass")
            about = translate("search", json.loads(text))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}, expected {FORMAT}")
            arrays, vocabulary = translate("search_arrays", load_file(folder / ARRAYS)), about["vocabulary"]
            starts, items, worth = (arrays[name] for name in ("starts", "items", "worth"))
            n_items = int(about["n_items"])
            if len(starts) != len(vocabulary) + 1 or starts[-1] != len(items) or len(items) != len(worth):
                raise ValueError("arrays of different length")
            if len(items) and not 0 < items.min() <= items.max() <= n_items:
                raise ValueError(f"products {items.min()}..{items.max()} of {n_items}")
            if not np.isfinite(worth).all() or (np.diff(starts) < 0).any():
                raise ValueError("worth is not finite, or the words are out of order")
            params = SearchParams.model_validate(about["params"])
            return cls(LexicalIndex(vocabulary, starts, items, worth), n_items, params)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{folder}: no search index ({error}); run the stage `package` again") from None
