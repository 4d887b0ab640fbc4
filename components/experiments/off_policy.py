"""What another policy would have earned, from the log of one whose chances were written down."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from components.errors import ContractError
from components.experiments.confidence_sequence import Estimate, Numbers


@dataclass(frozen=True)
class Log:
    """n decisions: what came of each, the chance that it was taken, and that the other policy would have taken it."""

    reward: Numbers  # (n,)
    logged: Numbers  # (n,) propensity under the policy that acted, in (0, 1]
    other: Numbers  # (n,) propensity under the policy in question, in [0, 1]
    cluster: np.ndarray | None = None  # (n,) such as the user: rewards within one are not independent

    def __post_init__(self) -> None:
        """Refuse a log that says nothing, or lies. Raises ContractError."""
        if not len(self.reward) == len(self.logged) == len(self.other) or not len(self.reward):
            sizes = f"{len(self.reward)} rewards, {len(self.logged)} and {len(self.other)} chances"
            raise ContractError(f"off-policy log: expected as many of each, and some; came {sizes}")
        if not np.isfinite(self.reward).all():
            raise ContractError("off-policy log: a reward is not finite")
        if not ((self.logged > 0) & (self.logged <= 1)).all():
            raise ContractError("off-policy log: expected propensities in (0, 1]; log them where the choice is made")
        if not ((self.other >= 0) & (self.other <= 1)).all() or not self.other.any():
            raise ContractError("off-policy log: the other policy's chances are outside [0, 1], or all 0: no support")

    @property
    def weights(self) -> Numbers:
        """Return (n,) how much more often the other policy would have done it."""
        weights: Numbers = self.other / self.logged
        return weights

    @property
    def effective(self) -> float:
        """Return the effective sample size (Kish): how many decisions of its own the log is worth."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())


def ips(log: Log, alpha: float) -> Estimate:
    """Return the value by inverse propensity scores: unbiased, of large variance (Horvitz and Thompson 1952)."""
    return _mean(log.weights * log.reward, log, alpha)


def snips(log: Log, alpha: float) -> Estimate:
    """Return the self-normalised value: a little biased, of far less variance (Swaminathan and Joachims 2015)."""
    weights = log.weights
    value = float((weights * log.reward).sum() / weights.sum())
    influence = weights * (log.reward - value) / weights.mean()  # delta method
    return _mean(influence + value, log, alpha)


def doubly_robust(log: Log, alpha: float, told: Numbers, expected: Numbers) -> Estimate:
    """Return the doubly robust value (Dudik, Langford and Li 2011): right if the model of rewards or the chances are.

    told: (n,) the model's reward of what was done; expected: (n,) its mean reward under the other policy. The model
    must not have learned from this log.
    """
    return _mean(expected + log.weights * (log.reward - told), log, alpha)


def _mean(values: Numbers, log: Log, alpha: float) -> Estimate:
    """Return the mean with a normal interval; by clusters where decisions are not independent."""
    n, mean = len(values), float(values.mean())
    centred = values - mean
    if log.cluster is not None:
        _, place = np.unique(log.cluster, return_inverse=True)
        centred = np.bincount(place, weights=centred).astype(np.float64)
    groups = len(centred)
    error = np.sqrt((centred**2).sum() * groups / max(groups - 1, 1)) / n
    half = float(NormalDist().inv_cdf(1 - alpha / 2) * error)
    return Estimate(mean, mean - half, mean + half)
