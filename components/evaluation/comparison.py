"""Compares two models on the same users: the difference, its interval, and the number of users needed to decide."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray, Interval
from components.errors import ContractError

POWER = 0.8  # chance of detecting a true gain of the measured size; the convention (Cohen 1988)
MAX_CELLS = 4_000_000  # of one block of resamples: bounds memory at 32 MB


def paired_bootstrap(
    challenger: FloatArray, other: FloatArray, confidence: float, resamples: int, seed: int
) -> Interval:
    """Return the mean per-user difference, challenger minus other, and its two-sided percentile interval.

    Both (n_users,), the same users in the same order. Raises ContractError on fewer than 2 users, different lengths,
    or a value that is not finite: a missing metric is never a zero. Same seed, same interval.
    Source: Efron & Tibshirani 1993, chapter 13; paired by user as in Sakai 2006.

    Users with equal differences are interchangeable, so a resample is one multinomial draw over the distinct
    differences: the same distribution as drawing n users with replacement, at a fraction of the time.
    """
    difference = _differences(challenger, other)
    n_users = len(difference)
    values, counts = np.unique(difference, return_counts=True)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, MAX_CELLS // len(values))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        drawn = rng.multinomial(n_users, counts / n_users, size=stop - start)  # (stop - start, n_values)
        means[start:stop] = drawn @ values / n_users
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(gain=float(difference.mean()), low=float(low), high=float(high), n_users=n_users)


def users_needed(challenger: FloatArray, other: FloatArray, confidence: float, min_gain: float) -> int | None:
    """Return how many further users are needed to decide whether the gain is above min_gain; 0 when these suffice.

    Both (n_users,), paired. The gain and its spread are taken as measured; two-sided test at `confidence`
    with power POWER. None when the measured gain is exactly min_gain: no number of users is enough.
    Source: the sample size of a paired z-test, ((z_alpha + z_power) * sd / distance) ** 2 (Cohen 1988).
    """
    difference = _differences(challenger, other)
    distance = abs(float(difference.mean()) - min_gain)
    if distance < 1e-12:
        return None
    normal = NormalDist()
    z = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(POWER)
    enough = math.ceil((z * float(difference.std(ddof=1)) / distance) ** 2)
    return max(0, enough - len(difference))


def _differences(challenger: FloatArray, other: FloatArray) -> NDArray[np.float64]:
    if challenger.ndim != 1 or challenger.shape != other.shape:
        raise ContractError(f"paired values of shapes {challenger.shape} and {other.shape}; expected the same users")
    if len(challenger) < 2:
        raise ContractError(f"{len(challenger)} paired users; a comparison needs at least 2: widen the test window")
    missing = int((~np.isfinite(challenger) | ~np.isfinite(other)).sum())
    if missing:
        raise ContractError(f"{missing} of {len(other)} paired values are missing or not finite; no zero for them")
    return challenger.astype(np.float64) - other.astype(np.float64)
