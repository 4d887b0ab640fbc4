"""BM25F as an inverted index: for each word the products that contain it, with its weight in each."""

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

MAX_QUERY_CHARACTERS, MAX_QUERY_WORDS = 200, 32  # the rest of a longer query is ignored
MAX_COMPLETIONS = 8  # words that the last word of a query may be a prefix of
FIELDS = ("title", "brand", "category", "text")  # each with its weight in params.field_weights


class LexicalIndex:
    """An inverted index with precomputed BM25 weights."""

    def __init__(self, vocabulary: Sequence[str], starts: TimeArray, items: IntArray, weights: FloatArray) -> None:
        """vocabulary: sorted. Word n is in items[starts[n]:starts[n + 1]], with the weights of the same slice."""
        self.vocabulary, self.starts, self.items, self.weights = list(vocabulary), starts, items, weights

    @classmethod
    def build(cls, catalogue: Catalogue, params: SearchParams) -> LexicalIndex:
        """Return the index of a catalogue.

        Source: Robertson and Zaragoza 2009 (BM25F): counts are weighted by field, then saturated.
        """
        counts: list[dict[str, float]] = [{} for _ in catalogue.item_id]
        for field in FIELDS:
            texts: list[str] = getattr(catalogue, field)
            found = [split_terms(text) for text in texts]
            mean = max(float(np.mean([len(f) for f in found[1:]] or [0])), 1e-9)
            weight = params.field_weights[field]  # type: ignore[index]
            for item_counts, item_words in zip(counts[1:], found[1:], strict=True):
                length = 1 - params.b + params.b * len(item_words) / mean
                for word, n in Counter(item_words).items():
                    item_counts[word] = item_counts.get(word, 0.0) + weight * n / length
        vocabulary = sorted({word for item_counts in counts for word in item_counts})
        number = {word: n for n, word in enumerate(vocabulary)}
        column = np.array([number[word] for item_counts in counts for word in item_counts], np.int32)
        item = np.repeat(np.arange(len(counts), dtype=np.int32), [len(item_counts) for item_counts in counts])
        frequency = np.array([n for item_counts in counts for n in item_counts.values()], np.float32)
        document_counts = np.bincount(column, minlength=len(vocabulary))
        idf = np.log1p((len(catalogue) - document_counts + 0.5) / (document_counts + 0.5)).astype(np.float32)
        weights = idf[column] * frequency * (params.k1 + 1) / (params.k1 + frequency)
        order = np.lexsort((item, column))
        starts = np.concatenate([[0], np.cumsum(document_counts)]).astype(np.int64)
        return cls(vocabulary, starts, item[order], weights[order].astype(np.float32))

    @cached_property
    def document_counts(self) -> IntArray:
        """Return the number of products that contain each word."""
        counts: IntArray = np.diff(self.starts).astype(np.int32)
        return counts

    @cached_property
    def spelling(self) -> Spelling:
        """Return the corrector of misspelled words; built at first use."""
        return Spelling(self.vocabulary, self.document_counts)

    def score(self, query: str, n_items: int, params: SearchParams) -> tuple[FloatArray, list[str]]:
        """Return (n_items + 1,) scores, 0 for products without any word, and the corrections used for unknown words.

        BM25, times the share of the query's words that the product contains.
        """
        scores, n_matched = np.zeros(n_items + 1, np.float32), np.zeros(n_items + 1, np.float32)
        corrections: list[str] = []
        query_words = list(dict.fromkeys(split_terms(query[:MAX_QUERY_CHARACTERS])))[:MAX_QUERY_WORDS]
        for position, word in enumerate(query_words):
            n = self._find(word)
            readings = {} if n is None else {n: 1.0}  # word of the index -> its weight in the score
            is_last = position == len(query_words) - 1
            completions = self._complete(word) if is_last and (n is None or len(word) > 2) else []
            readings |= {other: params.prefix_weight for other in completions if other != n}
            if not readings:
                readings = {other: params.typo_weight**edits for other, edits in self.spelling.find_corrections(word)}
                corrections += [self.vocabulary[other] for other in readings]
            self._add(scores, n_matched, readings)
        scores *= n_matched / np.float32(max(len(query_words), 1))
        return scores, corrections

    def _add(self, scores: FloatArray, n_matched: FloatArray, readings: dict[int, float]) -> None:
        """Add the weights of all readings of one query word to the scores, and count each product that has one."""
        found = []
        for n, weight in readings.items():
            rows = slice(self.starts[n], self.starts[n + 1])
            scores[self.items[rows]] += weight * self.weights[rows]
            found.append(self.items[rows])
        if len(found) == 1:
            n_matched[found[0]] += 1
        elif found:
            n_matched[np.unique(np.concatenate(found))] += 1

    def _find(self, word: str) -> int | None:
        n = bisect_left(self.vocabulary, word)
        return n if n < len(self.vocabulary) and self.vocabulary[n] == word else None

    def _complete(self, word: str) -> list[int]:
        """Return the most frequent words that begin with this one, for results while the user still types."""
        if is_chinese(word):
            return []
        first = bisect_left(self.vocabulary, word)
        rest = range(first, bisect_left(self.vocabulary, word + "\U0010ffff"))
        if len(rest) > 100 * MAX_COMPLETIONS:
            rest = range(first, first + 100 * MAX_COMPLETIONS)
        return sorted(rest, key=lambda n: (-int(self.document_counts[n]), n))[:MAX_COMPLETIONS]


def split_terms(text: str) -> list[str]:
    """Return the words of a text as they are indexed: without stop words, English plurals in the singular."""
    return [_singular(word) for word in words(text)]


def _singular(word: str) -> str:
    if not word.isascii() or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes")) else word[:-1]
