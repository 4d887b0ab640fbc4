"""Scores are the exponential of the weighted signals: above 0, the best 1, whatever the size of the signals."""

import numpy as np

from components.params import SearchWeightsParams
from components.search.weights import POPULARITY_FLOOR, QuerySignals, log_popularity, weigh


def signals(**values: list[float]) -> QuerySignals:
    zero = [0.0, 0.0, 0.0]
    return QuerySignals(*(np.array(values.get(name, zero), np.float32) for name in QuerySignals._fields))


def test_ratios_of_scores_are_exponentials_of_differences() -> None:
    found = signals(words=[0, 1, 0.5], clicks=[0, 0, np.log(8)])
    scores = weigh(found, SearchWeightsParams(words=2, similarity=9, popularity=9, clicks=1))
    assert scores.max() == 1
    np.testing.assert_allclose(scores[1] / scores[2], np.exp(2 - 1) / 8, rtol=1e-5)


def test_no_product_is_lost_by_a_large_weight() -> None:
    found = signals(words=[0, 1, 0])
    scores = weigh(found, SearchWeightsParams(words=1e6, similarity=0, popularity=0, clicks=0))
    assert (scores > 0).all()
    assert scores[1] == 1


def test_popularity_has_a_floor_and_may_be_unknown() -> None:
    share = log_popularity(np.array([0, 4, 2, 0], np.float32), 3)
    np.testing.assert_allclose(np.exp(share[2] - share[1]), 0.5, rtol=0.01)
    np.testing.assert_allclose(share[3], np.log(POPULARITY_FLOOR), rtol=1e-5)
    assert not log_popularity(None, 3).any()
    assert np.isfinite(log_popularity(np.zeros(4, np.float32), 3)).all()
