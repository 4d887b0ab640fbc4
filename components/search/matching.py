"""Matching of a query by words: which products have which of its words, in any form in which they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from components.contracts import BoolArray, FloatArray, IntArray
from components.language.words import Word, split_words
from components.params import SearchParams
from components.search.lexical import LexicalIndex
from components.search.stemming import stem
from components.search.terms import ID, ID_PART, cuts, id_key, is_id_like, joined_words

MAX_QUERY_CHARACTERS, MAX_QUERY_WORDS = 200, 32  # the rest of a longer query is ignored
MIN_ID_PREFIX = 4  # characters after which the beginning of an article number is completed


@dataclass(frozen=True)
class WordMatch:
    """How the products match a query by words; arrays are (n_items + 1,)."""

    scores: FloatArray  # BM25 times the share of the words that the product has; 0: none of them
    has_all: BoolArray  # True: the product has all words, as they were typed
    is_id: BoolArray  # True: the query is the product's article number
    corrections: list[str]  # what unknown words were read as


def match_words(index: LexicalIndex, query: str, n_items: int, params: SearchParams) -> WordMatch:
    """Return which products have the words of a query.

    A word is found as it is, in singular or plural, with or without marks, joined with its neighbours, as a part of an
    article number and, if it is the last one, as the beginning of a word. A word that is found in no such form is cut
    in two words, or corrected.
    """
    words = _first_words(split_words(query[:MAX_QUERY_CHARACTERS]))
    matcher = _Matcher(index, words, n_items)
    matcher.add_joined(params)
    last = {stem(word.text): position for position, word in enumerate(words) if not word.is_stop}  # repeated: once
    for position in last.values():
        matcher.add_word(words[position], position == len(words) - 1, params)
    return matcher.result(id_key(query))


def _first_words(words: Sequence[Word]) -> list[Word]:
    """Return the words up to the MAX_QUERY_WORDS-th distinct one that is no stop word."""
    first: list[Word] = []
    keys: set[str] = set()
    for word in words:
        keys |= set() if word.is_stop else {stem(word.text)}
        if len(keys) > MAX_QUERY_WORDS:
            break
        first.append(word)
    return first


class _Matcher:
    """Adds up the weights of all readings of a query's words; bit b of a product: it has the b-th distinct word."""

    def __init__(self, index: LexicalIndex, words: Sequence[Word], n_items: int) -> None:
        self.index, self.words = index, words
        self.scores = np.zeros(n_items + 1, np.float32)
        self.matched: NDArray[np.uint32] = np.zeros(n_items + 1, np.uint32)  # the product has these words
        self.corrected: NDArray[np.uint32] = np.zeros(n_items + 1, np.uint32)  # or what they were read as
        keys = dict.fromkeys(stem(word.text) for word in words if not word.is_stop)
        self.bits = {key: 1 << n for n, key in enumerate(keys)}
        self.found = 0  # bits of the words that some product has
        self.corrections: list[str] = []

    def add_joined(self, params: SearchParams) -> None:
        """Add what neighbours mean when they are written as one word, which counts for each of them."""
        for start, stop, joined in joined_words(self.words, self.index):
            bits = reduce(int.__or__, (self._bit(word) for word in self.words[start:stop]), 0)
            terms = dict.fromkeys([stem(joined), *([ID + joined, ID_PART + joined] if is_id_like(joined) else [])], 1.0)
            self._add(bits, self._known(terms) | self._completed_ids(joined, stop == len(self.words), params))

    def add_word(self, word: Word, is_last: bool, params: SearchParams) -> None:
        """Add what one word means; without a reading in any form, as two words or as the most similar words."""
        bit, text = self._bit(word), word.text
        terms = dict.fromkeys([stem(text), stem(word.digraphs)], 1.0)
        is_known = bool(self._known(terms))
        if is_id_like(text):
            terms |= {ID + text: 1.0, ID_PART + text: 1.0}
        readings = self._known(terms) | self._completed_ids(text, is_last, params)
        if is_last and not word.is_chinese and (not is_known or len(text) > 2):
            readings = dict.fromkeys(self.index.complete(text), params.prefix_weight) | readings
        self._add(bit, readings)
        if not self.found & bit and not word.is_chinese and not self._add_cut(bit, text):
            self._add_corrections(bit, text, params)

    def result(self, key: str) -> WordMatch:
        """Return the sums; key: that of the whole query as an article number."""
        is_id = np.zeros(len(self.scores), np.bool_)
        n = self.index.find(ID + key) if key else None
        every = sum(self.bits.values())
        if n is not None:
            items, weights = self.index.postings(n)
            is_id[items] = True
            self.scores[items] = np.maximum(self.scores[items], weights)
            self.matched[items] = every or 1
        n_matched = np.bitwise_count(self.matched | self.corrected).astype(np.float32)
        scores = self.scores * (n_matched / np.float32(max(len(self.bits), 1)))
        return WordMatch(scores, (self.matched == every) & (scores > 0), is_id, self.corrections)

    def _bit(self, word: Word) -> int:
        return 0 if word.is_stop else self.bits[stem(word.text)]

    def _known(self, terms: Mapping[str, float]) -> dict[int, float]:
        """Return term number -> weight of those terms that some product has."""
        numbers = {self.index.find(term): weight for term, weight in terms.items()}
        return {n: weight for n, weight in numbers.items() if n is not None}

    def _completed_ids(self, text: str, is_last: bool, params: SearchParams) -> dict[int, float]:
        if not is_last or len(text) < MIN_ID_PREFIX or not is_id_like(text):
            return {}
        return {n: params.prefix_weight for n in self.index.complete_id(text) if self.index.vocabulary[n] != ID + text}

    def _add(self, bits: int, readings: Mapping[int, float]) -> None:
        """Add the weights of terms that stand for the words of these bits."""
        for n, weight in readings.items():
            items, weights = self.index.postings(n)
            self.scores[items] += weight * weights
            self.matched[items] |= np.uint32(bits)
        if readings:
            self.found |= bits

    def _add_cut(self, bit: int, text: str) -> bool:
        """Add the products that hold an unknown word as several words; return whether there are any."""
        best: tuple[int, list[str], IntArray] | None = None
        for parts in () if text.isdigit() or (len(text) < 3 and text.isalpha()) else cuts(text):
            terms = [self.index.find(stem(part)) for part in parts]
            numbers = [n for n in terms if n is not None]
            if len(numbers) < len(parts):
                continue
            items = reduce(np.intersect1d, (self.index.postings(n)[0] for n in numbers))
            if len(items) and (best is None or len(items) > best[0]):
                best = len(items), parts, items
            if len(items) and len(parts) > 2:
                break
        if best is None:
            return False
        _, parts, both = best
        for part in parts:
            items, weights = self.index.postings(self._known({stem(part): 1.0}).popitem()[0])
            self.scores[both] += weights[np.searchsorted(items, both)]
        self.matched[both] |= np.uint32(bit)
        self.found |= bit
        self.corrections.append(" ".join(parts))
        return True

    def _add_corrections(self, bit: int, text: str, params: SearchParams) -> None:
        """Add the products that have a word similar to an unknown one."""
        for term, word, edits in self.index.find_corrections(text):
            items, weights = self.index.postings(term)
            self.scores[items] += params.typo_weight**edits * weights
            self.corrected[items] |= np.uint32(bit)
            self.corrections.append(word)
