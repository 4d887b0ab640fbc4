"""The gate's evidence: paired comparisons from per-user values, checked to be complete and of this evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contracts import Evaluation, FloatArray, Interval, PushedProduct
from components.errors import ContractError, ReleaseError
from components.evaluation.comparison import (
    UsersNeeded,
    is_certain_loss,
    is_loss_by_sign_test,
    paired_bootstrap,
    upper_bounds,
    users_needed,
)
from components.evaluation.results import read_values
from components.params import Params

CHAMPION = "champion"  # the serving model's name in an evaluation
MEAN_TOLERANCE = 1e-6  # between the mean of the float32 values and the mean in the evaluation


@dataclass(frozen=True)
class SliceGain:
    """One slice of test users or target items: the champion's mean there, and the challenger's gain."""

    name: str
    champion: float
    gain: Interval
    certain_loss: bool  # the loss is significant after a correction for the number of slices


@dataclass(frozen=True)
class Evidence:
    """The comparisons on the primary metric, and the means on the whole test window."""

    primary: str
    challenger: str
    test: Mapping[str, Mapping[str, float]]
    n_users: int
    over_champion: Interval | None
    over_baselines: dict[str, Interval]
    upper_bounds: dict[str, float]  # baseline -> upper bound of the gain, corrected for their number; < 0: shown worse
    simpler: list[str]  # the baselines that the challenger must beat
    slices: list[SliceGain]  # those with enough users; empty where there is no champion
    small_slices: dict[str, int]  # slice -> its users, fewer than evaluation.min_slice_users: not judged
    users_needed: dict[str, UsersNeeded]  # compared model -> further test users, where its interval is inconclusive
    losses_by_sign: frozenset[str] = frozenset()  # compared models that serve more users better, by a sign test
    pushed: PushedProduct | None = None  # the suspect product that rose most in the lists
    slice: str = "all"  # of the values that decide: "all" test users, or "next_event"

    @property
    def whose(self) -> str:
        """Return "" for all test users, else " of slice next_event": for messages."""
        return "" if self.slice == "all" else f" of slice {self.slice}"

    def over_best_baseline(self) -> Interval | None:
        """Return the gain over the best baseline on the test window; None without baselines."""
        if not self.over_baselines:
            return None
        return self.over_baselines[max(self.over_baselines, key=lambda name: self.test[name][self.primary])]


def read_evidence(evaluation: Evaluation, per_user: Path, latency_ms: float, params: Params) -> Evidence:
    """Return the evidence; raises ReleaseError for a number that is missing, not finite, or contradicts another."""
    compared = [evaluation.challenger, *evaluation.baselines, *([CHAMPION] if evaluation.champion else [])]
    _check_complete(evaluation, compared)
    if evaluation.question != params.gate.primary:
        raise ReleaseError(
            f"the evaluation was made by question {evaluation.question}, gate.primary is {params.gate.primary}: run "
            f"`carousel {evaluation.purpose}`, which evaluates anew"
        )
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise ReleaseError(f"latency is {latency_ms} ms; expected a time above 0: measure it again")
    try:
        values = _values(evaluation, per_user, compared)
        return _compare(evaluation, values, per_user, params)
    except ContractError as error:
        raise ReleaseError(f"no verdict: {error}") from error


def _compare(evaluation: Evaluation, values: Mapping[str, FloatArray], per_user: Path, params: Params) -> Evidence:
    gate, own = params.gate, values[evaluation.challenger]
    confidence = gate.promotion_confidence if evaluation.purpose == "retrain" else gate.confidence
    simpler = evaluation.baselines if evaluation.simpler is None else evaluation.simpler
    limits = dict.fromkeys(simpler, 0.0)
    if evaluation.champion:
        limits[CHAMPION] = gate.min_gain
    compared = dict.fromkeys([*limits, *evaluation.baselines])
    gains = {name: _interval(own, values[name], confidence, params) for name in compared}
    baselines = {name: values[name] for name in evaluation.baselines}
    slices = _slices(evaluation, per_user) if evaluation.champion else {}
    least = max(2, params.evaluation.min_slice_users)
    return Evidence(
        primary=evaluation.primary,
        challenger=evaluation.challenger,
        test=evaluation.test,
        n_users=len(own),
        over_champion=gains.get(CHAMPION),
        over_baselines={name: gains[name] for name in evaluation.baselines},
        upper_bounds=upper_bounds(own, baselines, gate.confidence, gate.resamples, params.seed),
        losses_by_sign=frozenset(n for n in compared if is_loss_by_sign_test(own, values[n], gate.confidence)),
        pushed=evaluation.pushed,
        slice=evaluation.primary_slice,
        simpler=list(simpler),
        slices=_compare_slices({name: pair for name, pair in slices.items() if len(pair[0]) >= least}, params),
        small_slices={name: len(own) for name, (own, _) in slices.items() if len(own) < least},
        users_needed=_users_needed(own, values, gains, limits, confidence, params),
    )


def is_inconclusive(interval: Interval, limit: float) -> bool:
    """Return whether the interval contains the limit: more users could still show a gain above it, or none."""
    return interval.low <= limit < interval.high


def _users_needed(
    own: FloatArray,
    values: Mapping[str, FloatArray],
    gains: Mapping[str, Interval],
    limits: Mapping[str, float],
    confidence: float,
    params: Params,
) -> dict[str, UsersNeeded]:
    gate = params.gate
    found: dict[str, UsersNeeded] = {}
    for name, limit in limits.items():
        if is_inconclusive(gains[name], limit):
            needed = users_needed(own, values[name], confidence, limit, gate.resamples, params.seed)
            found |= {name: needed} if needed else {}
    return found


def _interval(own: FloatArray, other: FloatArray, confidence: float, params: Params) -> Interval:
    return paired_bootstrap(own, other, confidence, params.gate.resamples, params.seed)


def _check_complete(evaluation: Evaluation, compared: list[str]) -> None:
    """Raise ReleaseError unless each model has the same finite metrics, the primary among them."""
    expected = set(evaluation.test.get(evaluation.challenger, {})) | {evaluation.primary}
    missing = [f"test/{m}/{k}" for m in compared for k in sorted(expected - set(evaluation.test.get(m, {})))]
    chosen = evaluation.validation.get(evaluation.challenger, {})
    if evaluation.purpose == "retrain" and evaluation.primary not in chosen:
        missing.append(f"validation/{evaluation.challenger}/{evaluation.primary}")
    if missing:
        raise ReleaseError(
            f"metrics missing from the evaluation: {', '.join(missing)}; they never count as zero, evaluate again"
        )
    tables = {f"test/{m}": evaluation.test[m] for m in compared}
    tables |= {f"slice {row.slice}/{row.model}": row.metrics for row in evaluation.slices}
    bad = [f"{where}/{k}" for where, metrics in tables.items() for k, v in metrics.items() if not math.isfinite(v)]
    if bad:
        raise ReleaseError(f"metrics not finite: {', '.join(bad[:10])}; look at that model, then evaluate again")


def _values(evaluation: Evaluation, per_user: Path, compared: list[str]) -> dict[str, FloatArray]:
    """Return model -> (n_users,) values of the primary metric, whose means are those in the evaluation."""
    values = read_values(per_user, evaluation.primary, evaluation.primary_slice)
    for model in compared:
        if model not in values or len(values[model]) != evaluation.n_users:
            n_found = len(values.get(model, ()))
            raise ReleaseError(f"{per_user.name}: {n_found} users for {model}, the evaluation has {evaluation.n_users}")
        mean, stated = float(values[model].mean(dtype=np.float64)), evaluation.test[model][evaluation.primary]
        if not abs(mean - stated) <= MEAN_TOLERANCE:
            raise ReleaseError(
                f"{per_user.name}: mean {evaluation.primary} of {model} is {mean:.6f}, evaluated {stated:.6f}: "
                "the two files are of different runs, or damaged: evaluate again"
            )
    return values


def _slices(evaluation: Evaluation, per_user: Path) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return slice -> values of challenger and champion; raises ReleaseError if rows of a slice are missing."""
    found = {}
    for row in evaluation.slices:
        if row.model != evaluation.challenger:
            continue
        values = read_values(per_user, evaluation.primary, row.slice)
        if not row.n_users or {len(values.get(m, ())) for m in (evaluation.challenger, CHAMPION)} != {row.n_users}:
            raise ReleaseError(
                f"slice {row.slice}: {row.n_users} users by the evaluation, other rows in {per_user.name}"
            )
        found[row.slice] = values[evaluation.challenger], values[CHAMPION]
    return found


def _compare_slices(slices: Mapping[str, tuple[FloatArray, FloatArray]], params: Params) -> list[SliceGain]:
    """Return the gain in each slice, and whether it is a certain loss: the error rate is divided by their number."""
    gate = params.gate
    found: list[SliceGain] = []
    confidence = 1 - (1 - gate.confidence) / max(1, len(slices))
    for name, (own, champion) in slices.items():
        gain = _interval(own, champion, gate.confidence, params)
        certain = gain.high < 0 and is_certain_loss(own, champion, confidence, gate.resamples, params.seed)
        found.append(SliceGain(name, float(champion.mean(dtype=np.float64)), gain, certain))
    return found
