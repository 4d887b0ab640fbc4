"""How good chances are: their order (AUC), their size (log-loss, calibration error), beside two that know less."""

import numpy as np

from components.contracts import FloatArray
from components.language.sentiment import auc, calibration_error
from components.ranking.examples import Examples, cut
from components.ranking.ranker import Ranker


def measure(ranker: Ranker, learned: Examples, test: Examples, popularity: FloatArray) -> dict[str, float]:
    """Return flat metrics of each task on the test examples.

    learned: what the ranker was fitted on, for the constant chance; popularity (n_items + 1,): the other thing to beat.
    """
    chances, raw = ranker.told(test), ranker.told(test, calibrated=False)
    unplaced = ranker.probabilities(test.user, test.item)  # as when serving: nobody knows the place yet
    metrics: dict[str, float] = {"examples/learned": float(len(learned)), "examples/test": float(len(test))}
    for column, task in enumerate(ranker.tasks):
        wanted = test.labels[:, column] > 0.5
        constant = np.full(len(test), learned.labels[:, column].mean(), np.float32)
        metrics |= {
            f"{task}/auc": auc(unplaced[:, column], wanted),
            f"{task}/auc_with_place": auc(chances[:, column], wanted),
            f"{task}/auc_popularity": auc(popularity[test.item], wanted),
            f"{task}/log_loss": log_loss(chances[:, column], wanted),
            f"{task}/log_loss_constant": log_loss(constant, wanted),
            f"{task}/calibration_error": calibration_error(chances[:, column], wanted),
            f"{task}/calibration_error_raw": calibration_error(raw[:, column], wanted),
            f"{task}/accuracy": float(((chances[:, column] > 0.5) == wanted).mean()),
        }
    taught, *_ = cut(learned, ranker.params.holdout_share)  # what stops and calibrates is not learned by heart
    before = ranker.told(taught)
    for column, task in enumerate(ranker.tasks):
        gap = metrics[f"{task}/log_loss"] - log_loss(before[:, column], taught.labels[:, column] > 0.5)
        metrics[f"{task}/log_loss_gap"] = gap
    return metrics


def log_loss(chances: FloatArray, wanted: np.ndarray) -> float:
    """Return the mean of -log of the chance that was given to what happened."""
    sure = np.clip(np.where(wanted, chances, 1 - chances), 1e-7, 1)
    return float(-np.log(sure, dtype=np.float64).mean())
