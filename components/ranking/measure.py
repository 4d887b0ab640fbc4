"""Quality of predicted probabilities: AUC, log-loss and calibration error, against two baselines."""

import numpy as np

from components.contracts import FloatArray
from components.language.sentiment import auc, calibration_error
from components.ranking.examples import Examples, split_by_time
from components.ranking.ranker import Ranker


def measure(ranker: Ranker, learned: Examples, test: Examples, popularity: FloatArray) -> dict[str, float]:
    """Return flat metrics of each task on the test examples.

    learned: the ranker's training examples, for the constant baseline; popularity: (n_items + 1,), the other baseline.
    """
    probabilities, raw = ranker.predict_examples(test), ranker.predict_examples(test, calibrated=False)
    unranked = ranker.predict_proba(test.user, test.item)  # as in serving: the position is not known yet
    metrics: dict[str, float] = {"examples/learned": float(len(learned)), "examples/test": float(len(test))}
    for column, task in enumerate(ranker.tasks):
        wanted = test.labels[:, column] > 0.5
        constant = np.full(len(test), learned.labels[:, column].mean(), np.float32)
        metrics |= {
            f"{task}/auc": auc(unranked[:, column], wanted),
            f"{task}/auc_with_position": auc(probabilities[:, column], wanted),
            f"{task}/auc_popularity": auc(popularity[test.item], wanted),
            f"{task}/log_loss": log_loss(probabilities[:, column], wanted),
            f"{task}/log_loss_constant": log_loss(constant, wanted),
            f"{task}/calibration_error": calibration_error(probabilities[:, column], wanted),
            f"{task}/calibration_error_raw": calibration_error(raw[:, column], wanted),
            f"{task}/accuracy": float(((probabilities[:, column] > 0.5) == wanted).mean()),
        }
    trained_on, *_ = split_by_time(learned, ranker.params.holdout_share)  # without the holdout
    fitted = ranker.predict_examples(trained_on)
    for column, task in enumerate(ranker.tasks):
        gap = metrics[f"{task}/log_loss"] - log_loss(fitted[:, column], trained_on.labels[:, column] > 0.5)
        metrics[f"{task}/log_loss_gap"] = gap
    return metrics


def log_loss(probabilities: FloatArray, wanted: np.ndarray) -> float:
    """Return the mean of -log of the probability of what happened."""
    likelihood = np.clip(np.where(wanted, probabilities, 1 - probabilities), 1e-7, 1)
    return float(-np.log(likelihood, dtype=np.float64).mean())
