"""The percentile bootstrap of many samples at once: one matrix of resamples of n users for all of them."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import FloatArray
from components.evaluation.comparison import paired_bootstrap

BLOCK = 250  # samples that are resampled together; bounds memory


class Resamples:
    """Resamples of n users with replacement: each row holds how often a user was drawn, divided by n."""

    def __init__(self, n_users: int, resamples: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shares = rng.multinomial(n_users, np.full(n_users, 1 / n_users), resamples)
        self.shares: FloatArray = (shares / n_users).astype(np.float32)  # (resamples, n_users)

    def means(self, differences: FloatArray) -> NDArray[np.float64]:
        """Return (resamples, n_samples) mean differences; differences: (n_samples, n_users)."""
        return (self.shares @ differences.T.astype(np.float32)).astype(np.float64)

    def bounds(self, differences: FloatArray, confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n_samples,) lower and upper bounds of the two-sided interval at this level."""
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        blocks = [
            np.quantile(self.means(differences[start : start + BLOCK]), tails, axis=0)
            for start in range(0, len(differences), BLOCK)
        ]
        low, high = np.concatenate(blocks, axis=1)
        return low, high


def check_bounds(differences: FloatArray, confidence: float, resamples: int, seed: int) -> float:
    """Return the largest difference of a bound from the gate's, in standard errors of the gain."""
    rows = differences.astype(np.float64)
    low, high = Resamples(rows.shape[1], resamples, seed).bounds(differences, confidence)
    errors = rows.std(axis=1, ddof=1) / np.sqrt(rows.shape[1])
    gates = [paired_bootstrap(row, np.zeros_like(row), confidence, resamples, seed) for row in differences]
    off = [max(abs(lo - g.low), abs(hi - g.high)) for lo, hi, g in zip(low, high, gates, strict=True)]
    return float((np.array(off) / errors).max())
