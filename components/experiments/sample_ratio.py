"""Are the arms as large as they should be? If not, something loses users, and no result is to be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

CONCENTRATION = 100.0  # of the prior on true shares around the intended ones: larger looks for smaller deviations


def evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the e-value against the shares: under them it exceeds 1/alpha at any time with chance alpha at most.

    Dirichlet-multinomial mixture (Lindon and Malek 2022). Shares need not sum up to 1. inf where it is beyond a float.
    """
    n, p = np.asarray(counts, float), np.asarray(shares, float) / sum(shares)
    prior = CONCENTRATION * p
    log = gammaln(prior.sum()) - gammaln((prior + n).sum()) + (gammaln(prior + n) - gammaln(prior)).sum()
    log -= (n * np.log(p)).sum()
    return float(np.exp(min(log, 700.0))) if log < 700 else float("inf")
