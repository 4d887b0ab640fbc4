"""Outcomes of a simulated experiment, the one of tests/conftest.py."""

from datetime import UTC, datetime

import numpy as np

from components.experiments.outcomes import Outcomes
from components.times import HOUR_US, to_micros

START = datetime(2026, 3, 1, tzinfo=UTC)
START_US = to_micros(START)


def make_outcomes(n: int, rates: tuple[float, float], shares: tuple[float, float] = (0.5, 0.5)) -> Outcomes:
    """Return n users, assigned by these shares, who convert at the rate of their arm."""
    rng = np.random.default_rng(5)
    arm = rng.choice(2, n, p=shares).astype(np.int64)
    ended_at = START_US + np.sort(rng.integers(24 * HOUR_US, 20 * 24 * HOUR_US, n))
    outcome = rng.binomial(1, np.array(rates)[arm]).astype(float)
    return Outcomes(arm, outcome, rng.poisson(2, n).astype(float), ended_at, 3, 0)
