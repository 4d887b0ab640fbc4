"""The ranker's metrics, by hand."""

import numpy as np
import pytest

from components.params import RankingParams
from components.ranking.examples import Examples, split_by_time
from components.ranking.features import RankerInputs
from components.ranking.measure import log_loss, measure
from components.ranking.ranker import Ranker
from tests.components.ranking.support import N_ITEMS, shown


class FixedRanker(Ranker):
    """Predicts more clicks for the first half of the items than for the second; each further step halves them."""

    def _steps(self, user: np.ndarray, item: np.ndarray, position: np.ndarray) -> np.ndarray:
        steps = np.zeros((len(user), 3), np.float32)
        steps[:, 0] = np.where(item <= N_ITEMS // 2, 1.0, -1.0) - position
        return steps


@pytest.fixture
def ranker(knobs: RankingParams, known: RankerInputs) -> Ranker:
    ranker = FixedRanker(knobs)
    ranker.inputs, ranker.calibration = known, np.array([[1.0, 0.0]] * 3)
    return ranker


def test_log_loss_by_hand() -> None:
    chances, wanted = np.array([0.9, 0.2, 0.0], np.float32), np.array([True, False, True])
    assert log_loss(chances, wanted) == pytest.approx(-(np.log(0.9) + np.log(0.8) + np.log(1e-7)) / 3, rel=1e-5)


def test_auc_log_loss_and_gap_by_hand(ranker: Ranker, examples: Examples) -> None:
    test = shown(500, seed=9)
    popularity = np.arange(N_ITEMS + 1, dtype=np.float32)
    metrics = measure(ranker, examples, test, popularity)
    clicked = test.labels[:, 0] > 0.5
    first = test.item <= N_ITEMS // 2
    pairs = first[clicked][:, None].astype(float) - first[~clicked][None].astype(float)
    assert metrics["click/auc"] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    chances = 1 / (1 + np.exp(-(np.where(first, 1.0, -1.0) - test.position)))
    assert metrics["click/log_loss"] == pytest.approx(log_loss(chances.astype(np.float32), clicked), rel=1e-4)
    assert metrics["cart/log_loss"] == pytest.approx(
        log_loss((chances / 2).astype(np.float32), test.labels[:, 1] > 0.5), rel=1e-4
    )
    assert metrics["click/accuracy"] == pytest.approx(((chances > 0.5) == clicked).mean())
    taught, *_ = split_by_time(examples, ranker.params.holdout_share)
    before = log_loss(ranker.predict_examples(taught)[:, 0], taught.labels[:, 0] > 0.5)
    assert metrics["click/log_loss_gap"] == pytest.approx(metrics["click/log_loss"] - before)
