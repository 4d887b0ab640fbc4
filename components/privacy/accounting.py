"""The privacy budget: how much noise a share of it needs, and what several mechanisms spend together.

Every mechanism adds Gaussian noise to a sum over users, `steps` times, each time over a Poisson sample of them. Shares
add up exactly: they divide the Renyi divergence at one order (Mironov 2017), whose sum over mechanisms bounds the
whole. What is reported is computed from all mechanisms by the PRV accountant (Gopi et al. 2021), which is tighter.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.contracts import Record
from components.errors import ContractError
from components.io import find_record, write_record
from components.params import PrivacyParams

ACCOUNTANT = "PRV (opacus)"
UNIT = "user"
FILE = "privacy.json"
ORDERS = tuple(1 + x / 10 for x in range(1, 100)) + tuple(float(x) for x in range(11, 512))
EPSILON_ERROR = 0.002  # of the reported epsilon, which is an upper bound
PRECISION = 1e-4  # relative, of a noise multiplier


class Mechanism(Record):
    """Gaussian noise on sums over users, of which each has a bounded norm."""

    name: str  # what it protects, such as "sequence"
    noise_multiplier: float  # standard deviation of the noise over the bound of one user; 0: none
    sample_rate: float  # probability of each user to be in a step; 1: all are
    steps: int


class Mechanisms(Record):
    """privacy.json in the output folder of a stage."""

    mechanisms: tuple[Mechanism, ...]


class Spending(Record):
    """privacy.json in a bundle: what all parts of it have spent."""

    epsilon: float  # that all mechanisms spend together, an upper bound
    delta: float
    unit: str  # whose data are protected: all events of one user
    accountant: str
    mechanisms: tuple[Mechanism, ...]

    @classmethod
    def of(cls, mechanisms: Iterable[Mechanism], delta: float) -> Self:
        """Return what these mechanisms spend together."""
        every = tuple(mechanisms)
        return cls(
            epsilon=round(spent_epsilon(every, delta), 4),
            delta=delta,
            unit=UNIT,
            accountant=ACCOUNTANT,
            mechanisms=every,
        )

    def describe(self) -> str:
        """Return it on one line, for tags and status."""
        return f"epsilon {self.epsilon:.2f}, delta {self.delta:g}, unit {self.unit}, accountant {self.accountant}"


def write_mechanisms(folder: Path, mechanisms: Sequence[Mechanism]) -> None:
    """Write what a stage has spent into its output folder; where it learned without noise, nothing."""
    if mechanisms:
        write_record(folder / FILE, Mechanisms(mechanisms=tuple(mechanisms)))


def read_mechanisms(folder: Path) -> tuple[Mechanism, ...]:
    """Return what a stage has spent; nothing where it learned without noise, or has not run."""
    found = find_record(folder / FILE, Mechanisms, "privacy", "run the stage again")
    return found.mechanisms if found else ()


class Budget(Record):
    """A part of the budget of one version."""

    epsilon: float  # of all parts together; inf: contributions are bounded, and no noise is added
    delta: float
    share: float  # of the Renyi divergence that epsilon and delta allow

    @classmethod
    def of(cls, params: PrivacyParams, share: float) -> Self:
        """Return this share of the budget; raises ContractError where privacy.epsilon is not set."""
        if params.epsilon is None:
            raise ContractError("privacy.epsilon is null: there is no budget to learn with noise")
        return cls(epsilon=params.epsilon, delta=params.delta, share=share)

    def noise_multiplier(self, sample_rate: float = 1.0, steps: int = 1) -> float:
        """Return the noise over the bound of one user with which the mechanism spends this share."""
        if math.isinf(self.epsilon):
            return 0.0
        if not self.share > 0:
            raise ContractError("privacy: a part without a share of the budget cannot learn from users")
        order, allowed = _order_of(self.epsilon, self.delta)
        allowed *= self.share
        if sample_rate == 1:
            return math.sqrt(steps * order / (2 * allowed))
        analysis, low, high = _opacus_rdp(), 0.05, 1.0
        while analysis.compute_rdp(q=sample_rate, noise_multiplier=high, steps=steps, orders=order) > allowed:
            low, high = high, 2 * high
        while high / low > 1 + PRECISION:
            middle = math.sqrt(low * high)
            spent = analysis.compute_rdp(q=sample_rate, noise_multiplier=middle, steps=steps, orders=order)
            low, high = (middle, high) if spent > allowed else (low, middle)
        return high


def spent_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """Return the epsilon that all mechanisms spend together, an upper bound; inf where one adds no noise."""
    if any(not one.noise_multiplier for one in mechanisms):
        return math.inf
    if not mechanisms:
        return 0.0
    accountant = _opacus_prv()
    accountant.history = [(one.noise_multiplier, one.sample_rate, one.steps) for one in mechanisms]
    with np.errstate(divide="ignore"), warnings.catch_warnings():  # at rate 1; of the order, which only bounds a grid
        warnings.filterwarnings("ignore", "Optimal order is the .* alpha", UserWarning)
        return float(accountant.get_epsilon(delta, eps_error=EPSILON_ERROR))


def _order_of(epsilon: float, delta: float) -> tuple[float, float]:
    """Return the order at which a Gaussian mechanism may add least noise, and the divergence allowed at it.

    Source: Balle et al. 2020, theorem 21, solved for the divergence.
    """
    orders = np.array(ORDERS)
    allowed = epsilon + (math.log(delta) + np.log(orders)) / (orders - 1) - np.log((orders - 1) / orders)
    best = int(np.argmax(allowed / orders))
    if allowed[best] <= 0:
        raise ContractError(
            f"privacy.epsilon {epsilon:g} is too small for privacy.delta {delta:g}: no finite noise gives it here; "
            "raise either"
        )
    return float(orders[best]), float(allowed[best])


def _opacus_rdp() -> Any:
    _check_opacus()
    from opacus.accountants.analysis import rdp

    return rdp


def _opacus_prv() -> Any:
    _check_opacus()
    from opacus.accountants import PRVAccountant

    return PRVAccountant()


def _check_opacus() -> None:
    try:
        import opacus  # noqa: F401
    except ImportError:
        raise ContractError(
            "privacy.epsilon is set, and opacus, which accounts for the budget, is not installed; "
            "run `pip install -c constraints.txt 'carousel-mlops[privacy]'`"
        ) from None
