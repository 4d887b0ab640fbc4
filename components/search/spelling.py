"""Which words of the shop a word may have meant that the shop does not know: by shared letters, then by edits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.contracts import IntArray

CHECKED = 60  # words sharing most letter groups, that are compared letter by letter
KEPT = 3  # meanings of one word
SHORT, LONG = 3, 8  # letters: below SHORT no edit is forgiven, from LONG on two are


class Spelling:
    """Letter groups (trigrams) of all words, to find those that share many with a misspelt one."""

    def __init__(self, words: Sequence[str], counts: IntArray) -> None:
        """words: sorted; counts: in how many products each occurs."""
        self.words, self.counts = words, counts
        groups: dict[str, list[int]] = {}
        for n, word in enumerate(words):
            if len(word) >= SHORT and word.isascii() and word.isalpha():
                for group in trigrams(word):
                    groups.setdefault(group, []).append(n)
        self.groups = {group: np.array(rows, np.int32) for group, rows in groups.items()}

    def meant(self, word: str) -> list[tuple[int, int]]:
        """Return up to KEPT (word number, edits), fewest edits first, then the more frequent word."""
        allowed = 0 if len(word) < SHORT else 1 if len(word) < LONG else 2
        if not allowed or not word.isascii() or not word.isalpha():
            return []
        rows = [self.groups[group] for group in trigrams(word) if group in self.groups]
        if not rows:
            return []
        found, shared = np.unique(np.concatenate(rows), return_counts=True)
        nearest = found[np.argsort(-shared, kind="stable")[:CHECKED]]
        edits = [(int(n), distance(word, self.words[n], allowed)) for n in nearest]
        good = [(n, d) for n, d in edits if d <= allowed]
        good.sort(key=lambda pair: (pair[1], -int(self.counts[pair[0]]), pair[0]))
        return [pair for pair in good if pair[1] == good[0][1]][:KEPT]


def trigrams(word: str) -> set[str]:
    """Return the groups of three letters of a word, with marks for its beginning and end."""
    marked = f"^{word}$"
    return {marked[i : i + 3] for i in range(len(marked) - 2)}


def distance(one: str, other: str, most: int) -> int:
    """Return the edits (a letter more, less, another, or two exchanged) between words; most + 1 where there are more.

    Damerau 1964, optimal string alignment.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)
