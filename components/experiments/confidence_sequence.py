"""Differences that one may look at every day: confidence sequences, and less noise by what was known before (CUPED)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and where it may lie; with a sequence the statement holds at all times together."""

    value: float
    low: float
    high: float

    @property
    def side(self) -> int:
        """Return 1 or -1 where 0 is outside, 0 where it is inside."""
        return (self.low > 0) - (self.high < 0)


def difference(control: Numbers, treatment: Numbers, alpha: float, tightest_at: int) -> Estimate:
    """Return the difference of two means, treatment less control, with an always-valid interval of level 1 - alpha.

    One number per user, each counted once. Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas (2024), narrowest when there are `tightest_at` users. An arm with fewer than two users gives (-inf, inf).
    """
    n0, n1 = len(control), len(treatment)
    if min(n0, n1) < 2:
        return Estimate(float("nan"), -np.inf, np.inf)
    value = float(treatment.mean() - control.mean())
    variance = float(control.var(ddof=1) / n0 + treatment.var(ddof=1) / n1)
    half = float(np.sqrt(variance) * boundary(n0 + n1, alpha, tightest_at))
    if half == 0:  # all users alike: that says nothing yet
        return Estimate(value, -np.inf, np.inf)
    return Estimate(value, value - half, value + half)


def boundary(n: int, alpha: float, tightest_at: int) -> float:
    """Return how many standard errors the sequence allows after n users; a single look would have about 1.96."""
    log = -2 * np.log(alpha)
    rho2 = (log + np.log(log) + 1) / tightest_at
    return float(np.sqrt(2 * (n * rho2 + 1) / (n * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha)))


def cuped(outcome: Numbers, before: Numbers) -> Numbers:
    """Return the outcomes less what could be foretold from before the experiment; the mean of all users stays.

    Deng, Xu, Kohavi and Walker (2013). `before` must not depend on the arm.
    """
    variance = before.var() if len(before) else 0.0
    if variance == 0:
        return outcome
    theta = float(((before - before.mean()) * (outcome - outcome.mean())).mean() / variance)
    adjusted: Numbers = outcome - theta * (before - before.mean())
    return adjusted
