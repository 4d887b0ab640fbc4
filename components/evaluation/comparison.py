"""Compares two models on the same users: the difference, its interval, and the number of users needed to decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray, Interval
from components.errors import ContractError

POWER = 0.8  # chance of detecting a true gain of the measured size; the convention (Cohen 1988)
MAX_CELLS = 4_000_000  # of one block of resamples: bounds memory at 32 MB


@dataclass(frozen=True)
class UsersNeeded:
    """Further test users until a comparison is conclusive: the estimate and its bounds; high None: no upper bound."""

    estimate: int
    low: int
    high: int | None


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
    means, _ = _resample(difference, resamples, seed)
    low, high = np.quantile(means, _tails(confidence))
    return Interval(gain=float(difference.mean()), low=float(low), high=float(high), n_users=len(difference))


def upper_bounds(
    challenger: FloatArray, others: Mapping[str, FloatArray], confidence: float, resamples: int, seed: int
) -> dict[str, float]:
    """Return the upper bound of the gain over each other model; where it is below 0, the challenger is shown worse.

    All (n_users,), paired. Corrected for the number of models by Holm's step-down procedure: the probability that a
    challenger which is worse than none is shown worse than any is at most (1 - confidence) / 2. The first step
    compares at that level divided by the number of models; each following one by the number of those that are left.
    Source: Holm 1979; the bounds are those of the percentile bootstrap of `paired_bootstrap`.
    """
    means = {name: _resample(_differences(challenger, own), resamples, seed)[0] for name, own in others.items()}
    return holm_bounds(means, confidence)


def holm_bounds(means: Mapping[str, NDArray[np.float64]], confidence: float) -> dict[str, float]:
    """Return `upper_bounds` from the mean differences of the resamples, (resamples,) for each other model."""
    left, bounds = dict(means), dict[str, float]()
    while left:
        level = 1 - (1 - confidence) / 2 / len(left)
        bounds |= {name: float(np.quantile(own, level)) for name, own in left.items()}
        if all(bounds[name] >= 0 for name in left):
            break
        left = {name: own for name, own in left.items() if bounds[name] >= 0}
    return bounds


def users_needed(
    challenger: FloatArray, other: FloatArray, confidence: float, min_gain: float, resamples: int, seed: int
) -> UsersNeeded | None:
    """Return how many further users are needed to decide whether the gain is above min_gain; 0 when these suffice.

    Both (n_users,), paired. The estimate takes the gain, its spread and its skewness as measured; two-sided test at
    `confidence` with power POWER. None when the measured gain is exactly min_gain: no number of users is enough.
    The bounds are the percentile interval of the same estimate over the resamples of `paired_bootstrap`. While the
    interval of the gain contains min_gain, the true gain may be min_gain: then there is no upper bound.
    Source: the sample size of a paired z-test, ((z_alpha + z_power) * sd / distance) ** 2 (Cohen 1988), for the
    percentile interval, whose bounds are shifted by skewness * (z_alpha ** 2 - 1) / 6 * sd / n_users (Hall 1992).
    """
    difference = _differences(challenger, other)
    if abs(float(difference.mean()) - min_gain) < 1e-12:
        return None
    normal = NormalDist()
    z_alpha, z_power = normal.inv_cdf((1 + confidence) / 2), normal.inv_cdf(POWER)
    z, shift = z_alpha + z_power, _skewness(difference) * (z_alpha**2 - z_power**2) / 6
    means, deviations = _resample(difference, resamples, seed)
    n_users, tails = len(difference), _tails(confidence)

    def further(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        effect = np.maximum(np.abs(mean - min_gain), 1e-12) / np.maximum(deviation, 1e-12)
        # the square root of the number of users solves effect * root**2 - z * root + shift = 0
        discriminant = np.maximum(z**2 - 4 * effect * shift * np.sign(mean - min_gain), 0)
        root = (z + np.sqrt(discriminant)) / 2 / effect
        enough: NDArray[np.float64] = np.maximum(np.ceil(root**2) - n_users, 0)
        return enough

    low, high = np.quantile(further(means, deviations), tails, method="inverted_cdf")
    lowest, highest = np.quantile(means, tails)
    is_open = lowest <= min_gain <= highest
    estimate = further(difference.mean(), difference.std(ddof=1))
    return UsersNeeded(estimate=int(estimate), low=int(low), high=None if is_open else int(high))


def is_certain_loss(challenger: FloatArray, other: FloatArray, confidence: float, resamples: int, seed: int) -> bool:
    """Return whether the challenger is worse, by the paired interval and by the exact sign test of the users.

    Both (n_users,), paired. The bootstrap alone finds a loss too often where few users differ.
    """
    if not is_loss_by_sign_test(challenger, other, confidence):
        return False
    return paired_bootstrap(challenger, other, confidence, resamples, seed).high < 0


def is_loss_by_sign_test(challenger: FloatArray, other: FloatArray, confidence: float) -> bool:
    """Return whether the challenger serves more users worse than better, by an exact test that needs no large sample.

    Both (n_users,), paired.
    """
    from scipy.stats import binomtest

    difference = _differences(challenger, other)
    worse, changed = int((difference < 0).sum()), int((difference != 0).sum())
    return bool(changed) and bool(binomtest(worse, changed, alternative="greater").pvalue <= _tails(confidence)[0])


def _tails(confidence: float) -> list[float]:
    return [(1 - confidence) / 2, (1 + confidence) / 2]


def _resample(
    difference: NDArray[np.float64], resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each bootstrap resample of the users, both (resamples,)."""
    n_users = len(difference)
    values, counts = np.unique(difference, return_counts=True)
    moments = np.stack([values, values**2], axis=1)  # (n_values, 2)
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, 2))
    step = max(1, MAX_CELLS // len(values))
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        sums[start:stop] = rng.multinomial(n_users, counts / n_users, size=stop - start) @ moments
    means = sums[:, 0] / n_users
    return means, np.sqrt(np.maximum(sums[:, 1] / n_users - means**2, 0))


def _skewness(difference: NDArray[np.float64]) -> float:
    """Return the third standardised moment; 0 where all differences are equal."""
    centred = difference - difference.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / spread**3 if spread > 1e-12 else 0.0


def _differences(challenger: FloatArray, other: FloatArray) -> NDArray[np.float64]:
    if challenger.ndim != 1 or challenger.shape != other.shape:
        raise ContractError(f"paired values of shapes {challenger.shape} and {other.shape}; expected the same users")
    if len(challenger) < 2:
        raise ContractError(f"{len(challenger)} paired users; a comparison needs at least 2: widen the test window")
    missing = int((~np.isfinite(challenger) | ~np.isfinite(other)).sum())
    if missing:
        raise ContractError(f"{missing} of {len(other)} paired values are missing or not finite; no zero for them")
    return challenger.astype(np.float64) - other.astype(np.float64)
