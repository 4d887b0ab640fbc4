"""Calibration per slot: the ranker's probability -> the probability of the event in that slot of the page.

Platt scaling (Platt 1999) or isotonic regression (Zadrozny and Elkan 2002) in each slot, whichever has the lower
log-loss out of fold; users are never in two folds. Slots with few positives share one calibration of all slots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.contracts import Record

Numbers = NDArray[np.float64]
Fit = Callable[[Numbers, Numbers], "PlattScaling | IsotonicSteps"]
MIN_POSITIVES, N_FOLDS = 50, 5  # of a slot, for a calibration of its own
MAX_STEPS = 50  # of Newton's method
EPSILON = 1e-6  # distance of probabilities from 0 and 1


class PlattScaling(Record):
    """A slope and a shift of the logit."""

    method: Literal["platt"] = "platt"
    slope: float
    shift: float

    def apply(self, p: Numbers) -> Numbers:
        """Return the probabilities of predictions p, both in (0, 1)."""
        logit = np.log(p) - np.log1p(-p)
        return np.asarray(1 / (1 + np.exp(-(self.slope * logit + self.shift))))


class IsotonicSteps(Record):
    """A rising function through these points, constant beyond them."""

    method: Literal["isotonic"] = "isotonic"
    x: list[float]
    y: list[float]

    def apply(self, p: Numbers) -> Numbers:
        """Return the probabilities of predictions p."""
        return np.interp(p, self.x, self.y)


class BaseRate(Record):
    """The same probability for everybody."""

    method: Literal["base_rate"] = "base_rate"
    rate: float

    def apply(self, p: Numbers) -> Numbers:
        """Return the rate for each of p."""
        return np.full(len(p), self.rate)


Curve = Annotated[PlattScaling | IsotonicSteps | BaseRate, Field(discriminator="method")]


class SlotCalibration(Record):
    """The curve of each slot (from 1) of one event, and the curve of slots that are not listed."""

    slots: dict[int, Curve]
    rest: Curve

    def apply(self, p: NDArray[Any], slot: NDArray[np.integer[Any]] | int) -> Numbers:
        """Return (n,) probabilities in (0, 1) of predictions p (n,) in slots (n,), or all in one slot."""
        clipped = np.clip(np.asarray(p, np.float64), EPSILON, 1 - EPSILON)
        slots = np.broadcast_to(slot, clipped.shape)
        found = np.empty(len(clipped))
        for number in np.unique(slots).tolist():
            rows = slots == number
            found[rows] = self.slots.get(number, self.rest).apply(clipped[rows])
        return np.clip(found, EPSILON, 1 - EPSILON)


def fit_slots(
    p: NDArray[Any], slot: NDArray[np.integer[Any]], outcome: NDArray[Any], user: NDArray[np.integer[Any]], seed: int
) -> SlotCalibration:
    """Return the calibration of n impressions: prediction p, slot from 1, whether it happened, user. n above 0."""
    clipped, labels = np.clip(np.asarray(p, np.float64), EPSILON, 1 - EPSILON), np.asarray(outcome, np.float64)
    rest = _fit_best(clipped, labels, user, seed)
    slots: dict[int, Curve] = {}
    for number in np.unique(slot).tolist():
        rows = slot == number
        if min(labels[rows].sum(), (1 - labels[rows]).sum()) >= MIN_POSITIVES:
            slots[number] = _fit_best(clipped[rows], labels[rows], user[rows], seed)
    return SlotCalibration(slots=slots, rest=rest)


def fit_base_rates(slot: NDArray[np.integer[Any]], outcome: NDArray[Any]) -> SlotCalibration:
    """Return the share of impressions with the event in each slot, smoothed by one event at the rate of all slots."""
    labels = np.asarray(outcome, np.float64)
    overall = (labels.sum() + 0.5) / (len(labels) + 1)
    slots: dict[int, Curve] = {}
    for number in np.unique(slot).tolist():
        rows = slot == number
        strength = 1 / overall
        slots[number] = BaseRate(rate=float((labels[rows].sum() + 1) / (rows.sum() + strength)))
    return SlotCalibration(slots=slots, rest=BaseRate(rate=float(overall)))


def identity() -> SlotCalibration:
    """Return the calibration that changes nothing: the ranker's own probabilities."""
    return SlotCalibration(slots={}, rest=PlattScaling(slope=1.0, shift=0.0))


def log_losses(p: NDArray[Any], outcome: NDArray[Any]) -> Numbers:
    """Return (n,) -log of the probability of what happened."""
    likelihood = np.where(np.asarray(outcome) > 0.5, p, 1 - np.asarray(p, np.float64))
    losses: Numbers = -np.log(np.clip(likelihood, EPSILON, 1))
    return losses


def _fit_platt(p: Numbers, labels: Numbers) -> PlattScaling:
    """Return the scaling, with Platt's targets: a rate never reaches 0 or 1 where there are few examples."""
    positives = labels.sum()
    targets = np.where(labels > 0.5, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))
    logit = np.log(p) - np.log1p(-p)

    def cost(at: Numbers) -> float:
        scaled = at[0] * logit + at[1]
        return float((np.logaddexp(0, scaled) - targets * scaled).mean())

    at, best = np.array([1.0, 0.0]), cost(np.array([1.0, 0.0]))
    for _ in range(MAX_STEPS):  # Newton's method; the cost is convex
        chance = 1 / (1 + np.exp(-(at[0] * logit + at[1])))
        gap, weight = chance - targets, chance * (1 - chance)
        gradient = np.array([(gap * logit).mean(), gap.mean()])
        cross = (weight * logit).mean()
        hessian = np.array([[(weight * logit**2).mean(), cross], [cross, weight.mean()]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while np.abs(step).max() > 1e-9 and cost(at - step) > best:
            step /= 2
        if np.abs(step).max() <= 1e-9:
            break
        at = at - step
        best = cost(at)
    return PlattScaling(slope=float(at[0]), shift=float(at[1]))


def _fit_isotonic(p: Numbers, labels: Numbers) -> IsotonicSteps:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(p, labels)
    margin = 1 / (2 * (len(labels) + 1))  # no step claims certainty
    y = np.clip(model.y_thresholds_, margin, 1 - margin)
    return IsotonicSteps(x=model.X_thresholds_.tolist(), y=y.tolist())


FITS: tuple[Fit, ...] = (_fit_platt, _fit_isotonic)


def _fit_best(p: Numbers, labels: Numbers, user: NDArray[np.integer[Any]], seed: int) -> PlattScaling | IsotonicSteps:
    """Return the curve whose method has the lower log-loss out of fold; Platt where they are equal."""
    _, group = np.unique(user, return_inverse=True)
    n_groups = int(group.max()) + 1
    fold = np.random.default_rng([seed, len(p)]).permutation(n_groups)[group] % N_FOLDS
    losses = [0.0 for _ in FITS]
    for held_out in range(N_FOLDS):
        rows = fold == held_out
        if not rows.any() or not 0 < labels[~rows].sum() < (~rows).sum():
            continue
        for n, fit in enumerate(FITS):
            predicted = np.clip(fit(p[~rows], labels[~rows]).apply(p[rows]), EPSILON, 1 - EPSILON)
            losses[n] += float(log_losses(predicted, labels[rows]).sum())
    return FITS[int(np.argmin(losses))](p, labels)
