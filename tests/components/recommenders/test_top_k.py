"""The best k of each row: ties, -inf, narrow and wide rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.contracts import FloatArray
from components.recommenders.top_k import padded_top_k, top_k

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 90))  # narrow rows, and rows that are reduced by blocks
FEW_VALUES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])  # few values make many ties


@given(hnp.arrays(np.float32, SHAPES, elements=FEW_VALUES), st.integers(1, 15))
def test_top_k_sorts_by_score_then_index(scores: FloatArray, k: int) -> None:
    ranked = top_k(scores, k)
    width = min(k, scores.shape[1])
    for row, (items, values) in enumerate(zip(ranked.items, ranked.scores, strict=True)):
        best = sorted(range(scores.shape[1]), key=lambda i: (-scores[row, i], i))[:width]
        assert values.tolist() == [scores[row, i] for i in best]
        assert items.tolist() == [i if scores[row, i] > -np.inf else 0 for i in best]


@pytest.mark.parametrize("k", [1, 10, 100])
def test_top_k_of_wide_rows_is_a_full_sort(k: int) -> None:
    scores = np.random.default_rng(0).normal(size=(5, 5_003)).astype(np.float32).round(2)  # with ties
    ranked = top_k(scores, k)
    assert np.array_equal(ranked.items, np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_a_list_longer_than_the_row_is_padded() -> None:
    ranked = padded_top_k(np.array([[0.5, 2.0], [1.0, -np.inf]], np.float32), 4)
    assert ranked.items.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert ranked.scores.tolist() == [[2.0, 0.5, -np.inf, -np.inf], [1.0, -np.inf, -np.inf, -np.inf]]
    wide = np.array([[3.0, 1.0, 2.0]], np.float32)
    assert padded_top_k(wide, 2).items.tolist() == top_k(wide, 2).items.tolist() == [[0, 2]]
