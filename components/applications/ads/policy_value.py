"""What a policy is worth per impression, from a log of choices with their propensities: IPS, SNIPS, doubly robust.

A choice is one slot of one request. The ads that could be chosen, with the log's propensity of each, are part of the
log: a policy is judged on the same alternatives, after targeting, pacing and caps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import Record
from components.experiments.confidence_sequence import IntervalEstimate, Numbers
from components.experiments.off_policy import PolicyLog, doubly_robust, doubly_robust_gain, ips, snips

ALPHA = 0.05


@dataclass(frozen=True)
class ChoiceLog:
    """n logged choices; all alternatives of all choices stand in one array, those of choice i at offsets[i:i+2]."""

    offsets: NDArray[np.int64]  # (n + 1,)
    ad: NDArray[np.int64]  # (m,) index of the ad; each choice's alternatives
    logged: Numbers  # (m,) the log's propensity of each alternative
    chosen: NDArray[np.int64]  # (n,) position in (m,) of what was chosen
    reward: Numbers  # (n,) money: the bid where the event that the ad pays for followed, else 0
    user: NDArray[Any]  # (n,)
    slot: NDArray[np.int64]  # (n,) index of the slot

    def __len__(self) -> int:
        """Return the number of choices."""
        return len(self.chosen)

    @property
    def row(self) -> NDArray[np.int64]:
        """Return (m,) the choice of each alternative."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class PolicyValue(Record):
    """Estimates of a policy's value per impression, money, with 95 % intervals."""

    policy: str
    ips: tuple[float, float, float]  # value, low, high
    snips: tuple[float, float, float]
    dr: tuple[float, float, float]
    gain: tuple[float, float, float]  # doubly robust value minus that of the logging policy, on the same choices
    effective_sample_size: float


def greedy(log: ChoiceLog, value: Numbers, epsilon: float) -> Numbers:
    """Return (m,) propensities: the highest value of each choice, and with probability epsilon any alternative.

    value: (m,); of equal values the alternative with the lower ad index is chosen.
    """
    sizes = np.diff(log.offsets)
    order = np.lexsort((log.ad, -value, log.row))
    propensity = np.repeat(epsilon / sizes, sizes)
    propensity[order[log.offsets[:-1]]] += 1 - epsilon
    return propensity


def uniform(log: ChoiceLog) -> Numbers:
    """Return (m,) the propensities of a policy that draws any alternative."""
    sizes = np.diff(log.offsets)
    return np.repeat(1 / sizes, sizes)


def evaluate(log: ChoiceLog, name: str, target: Numbers, expected: Numbers) -> PolicyValue:
    """Return the value of the policy with propensities target (m,).

    expected: (m,) predicted reward of each alternative, by a model that was not fitted on this log.
    """
    policy_log = PolicyLog(log.reward, log.logged[log.chosen], np.minimum(target[log.chosen], 1.0), log.user)
    direct = np.bincount(log.row, target * expected, len(log)).astype(np.float64)
    predicted = expected[log.chosen]
    return PolicyValue(
        policy=name,
        ips=_triple(ips(policy_log, ALPHA)),
        snips=_triple(snips(policy_log, ALPHA)),
        dr=_triple(doubly_robust(policy_log, ALPHA, predicted, direct)),
        gain=_triple(doubly_robust_gain(policy_log, ALPHA, predicted, direct)),
        effective_sample_size=policy_log.effective_sample_size,
    )


def compare_policies(log: ChoiceLog, expected: Numbers, popularity: Numbers, epsilon: float) -> dict[str, PolicyValue]:
    """Return the values of our policy, random, popularity, and the logging policy.

    expected: (m,) bid x calibrated probability. popularity: (m,) the same for everybody: bid x base rate of the ad.
    """
    policies: dict[str, Callable[[], Numbers]] = {
        "ours": lambda: greedy(log, expected, epsilon),
        "random": lambda: uniform(log),
        "popularity": lambda: greedy(log, popularity, epsilon),
        "logging": lambda: log.logged,
    }
    return {name: evaluate(log, name, target(), expected) for name, target in policies.items()}


def _triple(estimate: IntervalEstimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
