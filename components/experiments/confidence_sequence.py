"""Differences with an interval that is valid at every look: confidence sequences, with variance reduced by CUPED."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class IntervalEstimate:
    """A value with its interval; from a confidence sequence, the interval holds at all times simultaneously."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """Return the sign of the value where the interval excludes 0, and 0 where it contains 0."""
        return (self.low > 0) - (self.high < 0)


def estimate_difference(control: Numbers, treatment: Numbers, alpha: float, target_users: int) -> IntervalEstimate:
    """Return the difference of two means, treatment minus control, with an always-valid interval of level 1 - alpha.

    One number per user, each counted once. Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas (2024), narrowest when there are `target_users` users. An arm with fewer than two users gives (-inf, inf).
    """
    n0, n1 = len(control), len(treatment)
    if min(n0, n1) < 2:
        return IntervalEstimate(float("nan"), -np.inf, np.inf)
    value = float(treatment.mean() - control.mean())
    variance = float(control.var(ddof=1) / n0 + treatment.var(ddof=1) / n1)
    half = float(np.sqrt(variance) * boundary(n0 + n1, alpha, target_users))
    if half == 0:  # no variance yet: nothing can be inferred
        return IntervalEstimate(value, -np.inf, np.inf)
    return IntervalEstimate(value, value - half, value + half)


def boundary(n: int, alpha: float, target_users: int) -> float:
    """Return the half width after n users in standard errors; a test with a single look has 1.96 at alpha 0.05."""
    log = -2 * np.log(alpha)
    rho2 = (log + np.log(log) + 1) / target_users
    return float(np.sqrt(2 * (n * rho2 + 1) / (n * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha)))


def cuped(outcome: Numbers, covariate: Numbers) -> Numbers:
    """Return the outcomes with the part that the covariate predicts removed; the mean over all users stays.

    covariate: (n_users,) measured before the experiment, so that it does not depend on the arm.
    Source: Deng, Xu, Kohavi and Walker (2013).
    """
    variance = covariate.var() if len(covariate) else 0.0
    if variance == 0:
        return outcome
    theta = float(((covariate - covariate.mean()) * (outcome - outcome.mean())).mean() / variance)
    adjusted: Numbers = outcome - theta * (covariate - covariate.mean())
    return adjusted
