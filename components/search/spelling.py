"""Corrections of misspelled words: words of the vocabulary with shared trigrams, ordered by edit distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import OSA

from components.contracts import IntArray
from components.language.text import is_chinese

MAX_CANDIDATES = 60  # words with the most shared trigrams, whose edit distance is computed
MAX_CORRECTIONS = 3  # of one word
ONE_EDIT_LENGTH, TWO_EDITS_LENGTH = 3, 8  # least word lengths for one and two edits


class Spelling:
    """An index from trigrams to the words that contain them."""

    def __init__(self, words: Sequence[str], counts: IntArray) -> None:
        """words: sorted; counts: number of products that contain each word."""
        self.words, self.counts = words, counts
        postings: dict[str, list[int]] = {}
        for n, word in enumerate(words):
            if len(word) >= ONE_EDIT_LENGTH and _is_corrected(word):
                for trigram in trigrams(word):
                    postings.setdefault(trigram, []).append(n)
        self.postings = {trigram: np.array(rows, np.int32) for trigram, rows in postings.items()}

    def find_corrections(self, word: str) -> list[tuple[int, int]]:
        """Return up to MAX_CORRECTIONS of (word number, edits): those with the fewest edits, frequent words first.

        Edits are the optimal string alignment distance (Damerau 1964): insert, delete, replace, swap two neighbours.
        """
        max_edits = 0 if len(word) < ONE_EDIT_LENGTH else 1 if len(word) < TWO_EDITS_LENGTH else 2
        if not max_edits or not _is_corrected(word):
            return []
        rows = [self.postings[trigram] for trigram in trigrams(word) if trigram in self.postings]
        if not rows:
            return []
        found, shared = np.unique(np.concatenate(rows), return_counts=True)
        candidates = found[np.argsort(-shared, kind="stable")[:MAX_CANDIDATES]]
        edits = [(int(n), OSA.distance(word, self.words[n], score_cutoff=max_edits)) for n in candidates]
        close = [(n, distance) for n, distance in edits if distance <= max_edits]
        close.sort(key=lambda pair: (pair[1], -int(self.counts[pair[0]]), pair[0]))
        return [pair for pair in close if pair[1] == close[0][1]][:MAX_CORRECTIONS]


def trigrams(word: str) -> set[str]:
    """Return the groups of three letters of a word, with marks for its beginning and end."""
    marked = f"^{word}$"
    return {marked[i : i + 3] for i in range(len(marked) - 2)}


def _is_corrected(word: str) -> bool:
    """Return whether a word is spelled with letters: another number or another Chinese word is no misspelling of it."""
    return not any(char.isdigit() for char in word) and not is_chinese(word)
