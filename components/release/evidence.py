"""The gate's evidence: paired comparisons from per-user values, checked to be complete and of this evaluation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contracts import Evaluation, FloatArray, Interval
from components.errors import ContractError, ReleaseError
from components.evaluation.comparison import paired_bootstrap, users_needed
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


@dataclass(frozen=True)
class Evidence:
    """The comparisons on the primary metric, and the means on the whole test window."""

    primary: str
    challenger: str
    test: Mapping[str, Mapping[str, float]]
    n_users: int
    over_champion: Interval | None
    over_baselines: dict[str, Interval]
    slices: list[SliceGain]  # those with enough users; empty where there is no champion
    users_needed: int | None  # further test users for a conclusive interval over the champion

    def over_best_baseline(self) -> Interval | None:
        """Return the gain over the best baseline on the test window; None without baselines."""
        if not self.over_baselines:
            return None
        return self.over_baselines[max(self.over_baselines, key=lambda name: self.test[name][self.primary])]


def read_evidence(evaluation: Evaluation, per_user: Path, latency_ms: float, params: Params) -> Evidence:
    """Return the evidence; raises ReleaseError for a number that is missing, not finite, or contradicts another."""
    compared = [evaluation.challenger, *evaluation.baselines, *([CHAMPION] if evaluation.champion else [])]
    _check_complete(evaluation, compared)
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise ReleaseError(f"latency is {latency_ms} ms; expected a time above 0: measure it again")
    try:
        values = _values(evaluation, per_user, compared)
        return _compare(evaluation, values, per_user, params)
    except ContractError as error:
        raise ReleaseError(f"no verdict: {error}") from error


def _compare(evaluation: Evaluation, values: Mapping[str, FloatArray], per_user: Path, params: Params) -> Evidence:
    gate = params.gate
    own = values[evaluation.challenger]
    champion = values.get(CHAMPION) if evaluation.champion else None
    return Evidence(
        primary=evaluation.primary,
        challenger=evaluation.challenger,
        test=evaluation.test,
        n_users=len(own),
        over_champion=_interval(own, champion, params) if champion is not None else None,
        over_baselines={name: _interval(own, values[name], params) for name in evaluation.baselines},
        slices=_slices(evaluation, per_user, params) if champion is not None else [],
        users_needed=users_needed(own, champion, gate.confidence, gate.min_gain) if champion is not None else None,
    )


def _interval(own: FloatArray, other: FloatArray, params: Params) -> Interval:
    return paired_bootstrap(own, other, params.gate.confidence, params.gate.resamples, params.seed)


def _check_complete(evaluation: Evaluation, compared: list[str]) -> None:
    """Raise ReleaseError unless each model has the same finite metrics, the primary among them."""
    expected = set(evaluation.test.get(evaluation.challenger, {})) | {evaluation.primary}
    missing = [f"test/{m}/{k}" for m in compared for k in sorted(expected - set(evaluation.test.get(m, {})))]
    if evaluation.primary not in evaluation.validation.get(evaluation.challenger, {}):
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
    values = read_values(per_user, evaluation.primary, "all")
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


def _slices(evaluation: Evaluation, per_user: Path, params: Params) -> list[SliceGain]:
    """Return the slices of evaluation.min_slice_users or more; raises ReleaseError if rows of a slice are missing."""
    found = []
    for row in evaluation.slices:
        if row.model != evaluation.challenger:
            continue
        values = read_values(per_user, evaluation.primary, row.slice)
        if not row.n_users or {len(values.get(m, ())) for m in (evaluation.challenger, CHAMPION)} != {row.n_users}:
            raise ReleaseError(
                f"slice {row.slice}: {row.n_users} users by the evaluation, other rows in {per_user.name}"
            )
        if row.n_users < max(2, params.evaluation.min_slice_users):
            continue
        challenger, champion = values[evaluation.challenger], values[CHAMPION]
        mean = float(champion.mean(dtype=np.float64))
        found.append(SliceGain(row.slice, mean, _interval(challenger, champion, params)))
    return found
