"""Off-policy evaluation: the value of a target policy, from the log of another one that recorded its propensities."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from components.errors import ContractError
from components.experiments.confidence_sequence import IntervalEstimate, Numbers


@dataclass(frozen=True)
class PolicyLog:
    """n logged decisions with their rewards and their probability under both policies."""

    reward: Numbers  # (n,)
    logging_propensity: Numbers  # (n,) in (0, 1]
    target_propensity: Numbers  # (n,) in [0, 1]
    cluster: np.ndarray | None = None  # (n,) such as the user: rewards within a cluster are not independent

    def __post_init__(self) -> None:
        """Raise ContractError for a log of unequal lengths, an infinite reward or impossible propensities."""
        lengths = [len(self.reward), len(self.logging_propensity), len(self.target_propensity)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ContractError(
                "off-policy log: expected as many rewards as logging and target propensities, and at least one; got "
                + ", ".join(map(str, lengths))
            )
        if not np.isfinite(self.reward).all():
            raise ContractError("off-policy log: a reward is not finite")
        if not ((self.logging_propensity > 0) & (self.logging_propensity <= 1)).all():
            raise ContractError(
                "off-policy log: expected logging propensities in (0, 1]; log them where the choice is made"
            )
        if not ((self.target_propensity >= 0) & (self.target_propensity <= 1)).all():
            raise ContractError("off-policy log: expected target propensities in [0, 1], some are outside")
        if not self.target_propensity.any():
            raise ContractError("off-policy log: all target propensities are 0: the log has no support for this policy")

    @property
    def weights(self) -> Numbers:
        """Return (n,) importance weights, target / logging propensity."""
        weights: Numbers = self.target_propensity / self.logging_propensity
        return weights

    @property
    def effective_sample_size(self) -> float:
        """Return Kish's effective sample size: the number of decisions by the target policy with the same precision."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())


def ips(log: PolicyLog, alpha: float) -> IntervalEstimate:
    """Return the inverse propensity estimate: unbiased, large variance (Horvitz and Thompson 1952)."""
    return mean_interval(log.weights * log.reward, log.cluster, alpha)


def snips(log: PolicyLog, alpha: float) -> IntervalEstimate:
    """Return the self-normalised estimate: slightly biased, far smaller variance (Swaminathan and Joachims 2015)."""
    weights = log.weights
    value = float((weights * log.reward).sum() / weights.sum())
    influence = weights * (log.reward - value) / weights.mean()  # delta method
    return mean_interval(influence + value, log.cluster, alpha)


def doubly_robust(log: PolicyLog, alpha: float, predicted: Numbers, target_value: Numbers) -> IntervalEstimate:
    """Return the doubly robust estimate: consistent if the reward model or the propensities are right.

    predicted: (n,) the model's reward of the logged decision. target_value: (n,) its mean reward under the target
    policy. The model must not be fitted on this log.
    Source: Dudik, Langford and Li (2011).
    """
    return mean_interval(target_value + log.weights * (log.reward - predicted), log.cluster, alpha)


def doubly_robust_gain(log: PolicyLog, alpha: float, predicted: Numbers, target_value: Numbers) -> IntervalEstimate:
    """Return the doubly robust value minus the logging policy's mean reward, on the same decisions.

    Both are estimated from the same rewards, so the interval of their difference is narrower than those of the two.
    """
    return mean_interval(target_value + log.weights * (log.reward - predicted) - log.reward, log.cluster, alpha)


def mean_interval(values: Numbers, cluster: np.ndarray | None, alpha: float) -> IntervalEstimate:
    """Return the mean with a normal interval; with a cluster-robust standard error where there are clusters (n,)."""
    n, mean = len(values), float(values.mean())
    centred = values - mean
    if cluster is not None:
        _, number = np.unique(cluster, return_inverse=True)
        centred = np.bincount(number, weights=centred).astype(np.float64)
    groups = len(centred)
    error = np.sqrt((centred**2).sum() * groups / max(groups - 1, 1)) / n
    half = float(NormalDist().inv_cdf(1 - alpha / 2) * error)
    return IntervalEstimate(mean, mean - half, mean + half)
