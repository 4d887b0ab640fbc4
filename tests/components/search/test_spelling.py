"""Which word was meant: fewest edits first, then the frequent one."""

import numpy as np
import pytest

from components.search.spelling import Spelling, distance


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("a", "a", 0), ("ab", "ba", 1), ("cat", "cut", 1), ("cat", "cast", 1), ("kitten", "sitting", 3), ("abc", "", 3)],
)
def test_distances(one: str, other: str, edits: int) -> None:
    assert distance(one, other, 5) == edits
    assert distance(other, one, 5) == edits
    assert distance(one, other, 1) == min(edits, 2)


def test_fewest_edits_first_then_the_frequent_word() -> None:
    spelling = Spelling(["lamb", "lamp", "lump", "stamp"], np.array([1, 9, 5, 2], np.int32))
    assert spelling.meant("lamq") == [(1, 1), (0, 1)]
    assert spelling.meant("la") == []
    assert spelling.meant("灯") == []
