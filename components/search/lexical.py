"""Words in products: BM25 over fields of different weight, as one sparse table of word times product."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, TimeArray
from components.language.text import is_chinese, words
from components.params import SearchParams
from components.search.spelling import Spelling

LONGEST, MOST = 200, 32  # characters of a query that are read, and words
PREFIXES = 8  # words that the last one of a query may be the beginning of
PLAIN = ("title", "brand", "category")  # fields that have a weight of their own; the rest of the text has another


class Lexical:
    """An inverted index: for each word the products that hold it, and what it is worth there."""

    def __init__(self, vocabulary: Sequence[str], starts: TimeArray, items: IntArray, worth: FloatArray) -> None:
        """vocabulary: sorted. Word n is in items[starts[n]:starts[n + 1]], where it is worth that much."""
        self.vocabulary, self.starts, self.items, self.worth = list(vocabulary), starts, items, worth

    @classmethod
    def build(cls, catalogue: Catalogue, params: SearchParams) -> Lexical:
        """Index a catalogue. Robertson and Zaragoza 2009 (BM25F): counts are weighed by field, then saturated."""
        counts: list[dict[str, float]] = [{} for _ in catalogue.item_id]
        for field in (*PLAIN, "text"):
            texts: list[str] = getattr(catalogue, field)
            found = [terms(text) for text in texts]
            mean = max(float(np.mean([len(f) for f in found[1:]] or [0])), 1e-9)
            weight = params.field_weights[field]  # type: ignore[index]
            for held, mine in zip(counts[1:], found[1:], strict=True):
                length = 1 - params.b + params.b * len(mine) / mean
                for word, n in Counter(mine).items():
                    held[word] = held.get(word, 0.0) + weight * n / length
        vocabulary = sorted({word for held in counts for word in held})
        number = {word: n for n, word in enumerate(vocabulary)}
        column = np.array([number[w] for held in counts for w in held], np.int32)
        item = np.repeat(np.arange(len(counts), dtype=np.int32), [len(held) for held in counts])
        weighed = np.array([n for held in counts for n in held.values()], np.float32)
        holders = np.bincount(column, minlength=len(vocabulary))
        rarity = np.log1p((len(catalogue) - holders + 0.5) / (holders + 0.5)).astype(np.float32)
        worth = rarity[column] * weighed * (params.k1 + 1) / (params.k1 + weighed)
        order = np.lexsort((item, column))
        starts = np.concatenate([[0], np.cumsum(holders)]).astype(np.int64)
        return cls(vocabulary, starts, item[order], worth[order].astype(np.float32))

    @cached_property
    def counts(self) -> IntArray:
        """Return in how many products each word is."""
        counts: IntArray = np.diff(self.starts).astype(np.int32)
        return counts

    @cached_property
    def spelling(self) -> Spelling:
        """Return what finds the words that a misspelt one may have meant."""
        return Spelling(self.vocabulary, self.counts)

    def scores(self, query: str, n_items: int, params: SearchParams) -> tuple[FloatArray, list[str]]:
        """Return (n_items + 1,) scores, 0 where no word occurs, and the words that stood in for unknown ones.

        BM25, times the share of the query's words that a product holds: who types two words means both.
        """
        scores, held = np.zeros(n_items + 1, np.float32), np.zeros(n_items + 1, np.float32)
        instead: list[str] = []
        asked = list(dict.fromkeys(terms(query[:LONGEST])))[:MOST]
        for place, word in enumerate(asked):
            n = self._number(word)
            meant = {} if n is None else {n: 1.0}  # word of the index -> how much it counts
            last = place == len(asked) - 1
            beginnings = self._beginning(word) if last and (n is None or len(word) > 2) else []
            meant |= {other: params.prefix_weight for other in beginnings if other != n}
            if not meant:
                meant = {other: params.typo_weight**edits for other, edits in self.spelling.meant(word)}
                instead += [self.vocabulary[other] for other in meant]
            self._add(scores, held, meant)
        scores *= held / np.float32(max(len(asked), 1))
        return scores, instead

    def _add(self, scores: FloatArray, held: FloatArray, meant: dict[int, float]) -> None:
        """Add what the words that one word of the query may mean are worth, and count each product that holds one."""
        found = []
        for n, weight in meant.items():
            rows = slice(self.starts[n], self.starts[n + 1])
            scores[self.items[rows]] += weight * self.worth[rows]
            found.append(self.items[rows])
        if len(found) == 1:
            held[found[0]] += 1
        elif found:
            held[np.unique(np.concatenate(found))] += 1

    def _number(self, word: str) -> int | None:
        n = bisect_left(self.vocabulary, word)
        return n if n < len(self.vocabulary) and self.vocabulary[n] == word else None

    def _beginning(self, word: str) -> list[int]:
        """Return the most frequent words that begin with this one: people see results while they type."""
        if is_chinese(word):
            return []
        first = bisect_left(self.vocabulary, word)
        rest = range(first, bisect_left(self.vocabulary, word + "\U0010ffff"))
        if len(rest) > 100 * PREFIXES:
            rest = range(first, first + 100 * PREFIXES)
        return sorted(rest, key=lambda n: (-int(self.counts[n]), n))[:PREFIXES]


def terms(text: str) -> list[str]:
    """Return the words of a text as they are indexed: without stop words, English plurals folded into the singular."""
    return [_singular(word) for word in words(text)]


def _singular(word: str) -> str:
    if not word.isascii() or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes")) else word[:-1]
