"""Calibration (Platt scaling): a slope and a shift of the logits for each step of the funnel, on held-out examples."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray


def fit_calibration(steps: FloatArray, labels: FloatArray) -> NDArray[np.float64]:
    """Return (tasks, 2) positive slopes and shifts of logits (n, tasks) of each step given the one before.

    labels: (n, tasks). A step is fitted on the examples that took the previous step. A Gaussian prior keeps it near
    the identity where these are few: one unit of log-likelihood for an e-fold slope or a shift by 1.
    Source: Platt 1999.
    """
    from scipy.optimize import minimize

    found, reached = [], np.ones(len(labels), bool)
    for column in range(steps.shape[1]):
        logits, wanted = steps[reached, column].astype(np.float64), labels[reached, column] > 0.5

        def cost(
            at: NDArray[np.float64], logits: NDArray[np.float64] = logits, wanted: NDArray[np.bool_] = wanted
        ) -> float:
            scaled = np.exp(at[0]) * logits + at[1]
            return float(np.logaddexp(0, np.where(wanted, -scaled, scaled)).sum() + at @ at)

        log_slope, shift = minimize(cost, np.zeros(2)).x
        found.append((np.exp(log_slope), shift))
        reached = labels[:, column] > 0.5
    return np.array(found, np.float64).reshape(-1, 2)
