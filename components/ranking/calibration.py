"""Chances that come as often as they say: a slope and a shift for each step of the funnel, on examples of their own."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray


def fit_calibration(steps: FloatArray, labels: FloatArray) -> NDArray[np.float64]:
    """Return (tasks, 2) slopes above 0 and shifts of logits (n, tasks), each given the step before; labels (n, tasks).

    A step is fitted on those who took the one before it. Few of them move it little: it costs a whole unit of
    log-likelihood to change a slope e-fold, or a shift by one. Source: Platt 1999, with a prior.
    """
    from scipy.optimize import minimize

    found, taken = [], np.ones(len(labels), bool)
    for column in range(steps.shape[1]):
        logits, wanted = steps[taken, column].astype(np.float64), labels[taken, column] > 0.5

        def cost(
            at: NDArray[np.float64], logits: NDArray[np.float64] = logits, wanted: NDArray[np.bool_] = wanted
        ) -> float:
            told = np.exp(at[0]) * logits + at[1]
            return float(np.logaddexp(0, np.where(wanted, -told, told)).sum() + at @ at)

        log_slope, shift = minimize(cost, np.zeros(2)).x
        found.append((np.exp(log_slope), shift))
        taken = labels[:, column] > 0.5
    return np.array(found, np.float64).reshape(-1, 2)
