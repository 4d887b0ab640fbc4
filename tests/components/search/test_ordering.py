"""Boosts change the order within a kind of match; no product without a word is lifted above one with all of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.search.ordering import ALL_WORDS, ARTICLE_NUMBER, NO_WORD, SOME_WORDS, keep_order, match_kinds


def test_products_without_a_word_come_after_those_with_all() -> None:
    kinds = np.array([NO_WORD, NO_WORD, ALL_WORDS, SOME_WORDS, ALL_WORDS, NO_WORD], np.int8)
    scores = keep_order(np.array([0, 9, 2, 5, 1, 3], np.float32), kinds)
    assert np.argsort(-scores, kind="stable").tolist() == [3, 2, 4, 1, 5, 0]
    assert scores[0] == 0


def test_an_article_number_comes_first() -> None:
    kinds = np.array([SOME_WORDS, ARTICLE_NUMBER, ALL_WORDS], np.int8)
    assert np.argsort(-keep_order(np.array([7, 0.1, 5], np.float32), kinds)).tolist() == [1, 0, 2]


def test_nothing_changes_where_the_order_holds() -> None:
    scores, kinds = np.array([3, 2, 1], np.float32), np.array([ALL_WORDS, SOME_WORDS, NO_WORD], np.int8)
    assert keep_order(scores, kinds).tolist() == scores.tolist()
    assert keep_order(scores, np.zeros(3, np.int8)).tolist() == scores.tolist()


def test_kinds() -> None:
    scores = np.array([0, 1, 2, 3], np.float32)
    kinds = match_kinds(scores, np.array([False, False, True, True]), np.array([False, False, False, True]))
    assert kinds.tolist() == [NO_WORD, SOME_WORDS, ALL_WORDS, ARTICLE_NUMBER]


@given(
    arrays(np.float32, 12, elements=st.floats(0.0078125, 64, width=32)),
    arrays(np.int8, 12, elements=st.sampled_from([NO_WORD, SOME_WORDS, ALL_WORDS])),
)
def test_the_order_among_one_kind_stays(scores: np.ndarray, kinds: np.ndarray) -> None:
    kept = keep_order(scores, kinds)
    for kind in (NO_WORD, SOME_WORDS, ALL_WORDS):
        one = kinds == kind
        assert np.argsort(scores[one], kind="stable").tolist() == np.argsort(kept[one], kind="stable").tolist()
    assert kept[kinds == NO_WORD].max(initial=0) < kept[kinds == ALL_WORDS].min(initial=np.inf)
