"""How well probabilities are calibrated: the reliability curve, the expected calibration error, and the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.applications.ads.calibration import SlotCalibration, log_losses
from components.applications.reasons import (
    CALIBRATED,
    ERROR_ABOVE_OWN,
    LOSS_ABOVE_BASE,
    LOSS_ABOVE_OWN,
    Reason,
    give_reason,
)
from components.contracts import Record
from components.experiments.off_policy import mean_interval

N_BINS, N_DRAWS, DRAWS_AT_ONCE = 10, 500, 50
ALPHA = 0.05


class Bin(Record):
    """A tenth of the impressions: mean prediction, share with the event, and its 95 % interval (Wilson)."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


class CalibrationError(Record):
    """The expected calibration error, in [0, 1], with its 95 % interval."""

    value: float
    low: float
    high: float


class CalibrationVerdict(Record):
    """Whether the calibrated probabilities of an event ship, measured on later impressions."""

    task: str
    ships: bool
    reasons: list[Reason]  # why it ships, or what speaks against it
    n: int
    positives: int
    log_loss: float
    log_loss_uncalibrated: float
    log_loss_base_rate: float
    error: CalibrationError
    error_uncalibrated: CalibrationError
    error_base_rate: CalibrationError
    methods: dict[int, str]  # slot -> platt or isotonic


@dataclass(frozen=True)
class SlotImpressions:
    """SlotImpressions with the ranker's prediction and the outcome of one event, in the order of time."""

    predicted: NDArray[Any]  # (n,) in [0, 1]
    slot: NDArray[np.integer[Any]]  # (n,) from 1
    outcome: NDArray[Any]  # (n,) 0 or 1
    user: NDArray[np.integer[Any]]  # (n,)

    def __len__(self) -> int:
        """Return their number."""
        return len(self.slot)

    def take(self, rows: slice) -> SlotImpressions:
        """Return some of the rows."""
        return SlotImpressions(self.predicted[rows], self.slot[rows], self.outcome[rows], self.user[rows])


def reliability(p: NDArray[Any], outcome: NDArray[Any]) -> list[Bin]:
    """Return N_BINS bins of equal size in the order of the prediction; fewer where there are fewer impressions."""
    order = np.argsort(p, kind="stable")
    bins = []
    for rows in np.array_split(order, N_BINS):
        if len(rows):
            n, observed = len(rows), float(np.mean(outcome[rows]))
            centre = (observed + 2 / n) / (1 + 4 / n)
            half = 2 / (1 + 4 / n) * float(np.sqrt(observed * (1 - observed) / n + 1 / n**2))
            predicted = float(np.mean(p[rows]))
            bins.append(Bin(n=n, predicted=predicted, observed=observed, low=centre - half, high=centre + half))
    return bins


def calibration_error(p: NDArray[Any], outcome: NDArray[Any], user: NDArray[Any], seed: int) -> CalibrationError:
    """Return the mean of |prediction - observed share| over bins of equal size, with an interval.

    The interval is the reflected bootstrap over users: the error of a sample is above that of its population, and the
    bootstrap's is above the sample's by about as much. Source of the error: Naeini, Cooper and Hauskrecht 2015.
    """
    order = np.argsort(p, kind="stable")
    bins = np.empty(len(p), np.int64)
    for number, rows in enumerate(np.array_split(order, N_BINS)):
        bins[rows] = number
    _, group = np.unique(user, return_inverse=True)
    n_groups = int(group.max()) + 1
    # per user and bin: sum of (prediction - outcome), so that a draw of users is a product of matrices
    gaps = np.bincount(group * N_BINS + bins, np.asarray(p, np.float64) - outcome, n_groups * N_BINS)
    gaps = gaps.reshape(n_groups, N_BINS)
    value = float(np.abs(gaps.sum(axis=0)).sum() / len(p))
    sizes = np.bincount(group, minlength=n_groups)
    rng, even = np.random.default_rng([seed, n_groups]), np.full(n_groups, 1 / n_groups)
    drawn = []
    for _ in range(N_DRAWS // DRAWS_AT_ONCE):
        times = rng.multinomial(n_groups, even, DRAWS_AT_ONCE).astype(np.float64)
        drawn.append(np.abs(times @ gaps).sum(axis=1) / (times @ sizes))
    low, high = (float(max(0.0, 2 * value - q)) for q in np.quantile(np.concatenate(drawn), (1 - ALPHA / 2, ALPHA / 2)))
    return CalibrationError(value=value, low=low, high=max(high, value))


def judge(
    task: str, later: SlotImpressions, calibrated: SlotCalibration, base_rates: SlotCalibration, seed: int
) -> CalibrationVerdict:
    """Return whether the calibrated probabilities ship.

    later: impressions after those that the calibrations were fitted on. They ship unless their log-loss is above that
    of the ranker's own probabilities or of the base rates, by an interval over users that excludes 0, or their
    calibration error is above the uncalibrated one.
    """
    labels, user = later.outcome, later.user
    own = np.clip(np.asarray(later.predicted, np.float64), 1e-6, 1 - 1e-6)
    ours, base = (c.apply(later.predicted, later.slot) for c in (calibrated, base_rates))
    losses = {name: log_losses(p, labels) for name, p in (("ours", ours), ("own", own), ("base", base))}
    errors = {name: calibration_error(p, labels, user, seed) for name, p in
              (("ours", ours), ("own", own), ("base", base))}  # fmt: skip
    against = [
        key
        for name, key in (("own", LOSS_ABOVE_OWN), ("base", LOSS_ABOVE_BASE))
        if mean_interval(losses["ours"] - losses[name], user, ALPHA).low > 0
    ]
    if errors["ours"].low > errors["own"].value:
        against.append(ERROR_ABOVE_OWN)
    return CalibrationVerdict(
        task=task,
        ships=not against,
        reasons=[give_reason(key, event=task) for key in against or (CALIBRATED,)],
        n=len(later),
        positives=int(np.sum(labels)),
        log_loss=float(losses["ours"].mean()),
        log_loss_uncalibrated=float(losses["own"].mean()),
        log_loss_base_rate=float(losses["base"].mean()),
        error=errors["ours"],
        error_uncalibrated=errors["own"],
        error_base_rate=errors["base"],
        methods={number: curve.method for number, curve in sorted(calibrated.slots.items())},
    )
