"""Quotas on a ranking of ten items of two kinds, 1 and 2: chosen positions by hand."""

import numpy as np
import pytest

from components.serving.inference.quotas import Bounds, keep_quotas, lacks_items

KINDS = np.array([1, 1, 1, 2, 1, 1, 2, 1, 2, 1], np.int32)


@pytest.mark.parametrize(
    ("k", "bounds", "expected"),
    [
        (4, {}, [0, 1, 2, 3]),
        (4, {2: (0, 0)}, [0, 1, 2, 4]),  # none of a kind
        (4, {2: (2, None)}, [0, 1, 3, 6]),  # the best two of each
        (4, {2: (3, None)}, [0, 3, 6, 8]),
        (4, {1: (0, 2)}, [0, 1, 3, 6]),
        (4, {2: (4, None)}, [0, 3, 6, 8]),  # there are three: another kind takes the place
        (6, {1: (0, 2)}, [0, 1, 3, 6, 8]),  # nothing else is allowed: a shorter list
        (4, {1: (2, 2), 2: (2, 2)}, [0, 1, 3, 6]),
        (2, {1: (1, None), 2: (1, None)}, [0, 3]),
        (3, {9: (1, None)}, [0, 1, 2]),  # no item of this kind
    ],
)
def test_the_best_items_that_keep_the_bounds(k: int, bounds: Bounds, expected: list[int]) -> None:
    assert keep_quotas(KINDS, k, bounds).tolist() == expected


def test_a_list_that_lacks_items_is_told_apart() -> None:
    assert not lacks_items(KINDS[:4], 4, {2: (1, None)})
    assert lacks_items(KINDS[:4], 4, {2: (2, None)})
    assert lacks_items(KINDS[:4], 5, {})
