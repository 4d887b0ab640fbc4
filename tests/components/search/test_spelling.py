"""Corrections of a word: fewest edits first, then the frequent one; against a plain edit distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.search import spelling as module
from components.search.spelling import Spelling


def osa_distance(one: str, other: str, most: int) -> int:
    """Return the optimal string alignment distance, most + 1 where it is larger, by dynamic programming."""
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


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("a", "a", 0), ("ab", "ba", 1), ("cat", "cut", 1), ("cat", "cast", 1), ("kitten", "sitting", 3), ("abc", "", 3)],
)
def test_distances(one: str, other: str, edits: int) -> None:
    for distance in (osa_distance, lambda a, b, most: module.OSA.distance(a, b, score_cutoff=most)):
        assert distance(one, other, 5) == edits
        assert distance(other, one, 5) == edits
        assert distance(one, other, 1) == min(edits, 2)


WORD = st.text("abct", max_size=9)


@given(one=WORD | st.text(max_size=12), other=WORD | st.text(max_size=12), most=st.integers(0, 3))
@settings(max_examples=500, deadline=None)
def test_the_library_gives_the_distance_of_the_definition(one: str, other: str, most: int) -> None:
    assert module.OSA.distance(one, other, score_cutoff=most) == osa_distance(one, other, most)


@given(
    words=st.lists(st.text("abct", min_size=3, max_size=9), min_size=1, max_size=20, unique=True).map(sorted),
    word=st.text("abct", min_size=1, max_size=10),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_corrections_are_those_of_an_exhaustive_search(words: list[str], word: str, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 5), min_size=len(words), max_size=len(words)))
    most = 0 if len(word) < 3 else 1 if len(word) < 8 else 2
    edits = {
        n: osa_distance(word, other, most)
        for n, other in enumerate(words)
        if module.trigrams(word) & module.trigrams(other)
    }
    fewest = min(edits.values(), default=most + 1)
    best = [n for n, distance in edits.items() if distance == fewest and most and fewest <= most]
    wanted = sorted(best, key=lambda n: (-counts[n], n))[: module.MAX_CORRECTIONS]
    assert Spelling(words, np.array(counts, np.int32)).find_corrections(word) == [(n, fewest) for n in wanted]


def test_fewest_edits_first_then_the_frequent_word() -> None:
    spelling = Spelling(["lamb", "lamp", "lump", "stamp"], np.array([1, 9, 5, 2], np.int32))
    assert spelling.find_corrections("lamq") == [(1, 1), (0, 1)]
    assert spelling.find_corrections("la") == []
    assert spelling.find_corrections("灯") == []
