"""Sample ratio mismatch: when arms do not have their intended sizes, users are being lost and no result is valid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

CONCENTRATION = 100.0  # of the Dirichlet prior around the intended shares: larger values detect smaller deviations


def sample_ratio_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the e-value against the intended shares; if they hold, it ever exceeds 1/alpha with probability <= alpha.

    counts: users of each arm. shares: need not sum to 1. Infinite where the e-value overflows a float.
    Source: Lindon and Malek (2022), Dirichlet-multinomial mixture.
    """
    n, p = np.asarray(counts, float), np.asarray(shares, float) / sum(shares)
    prior = CONCENTRATION * p
    log = gammaln(prior.sum()) - gammaln((prior + n).sum()) + (gammaln(prior + n) - gammaln(prior)).sum()
    log -= (n * np.log(p)).sum()
    return float(np.exp(min(log, 700.0))) if log < 700 else float("inf")
