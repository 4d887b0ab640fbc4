"""The verdict of an experiment, valid at any time and however often it is computed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from components.contracts import Record
from components.experiments.confidence_sequence import IntervalEstimate, cuped, estimate_difference
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.experiments.sample_ratio import sample_ratio_evidence
from components.io import read_record
from components.times import DAY_US

Verdict = Literal["better", "worse", "no difference shown", "not enough evidence", "sample ratio mismatch"]
SAMPLE_RATIO_ALPHA = 0.001  # false alarm probability; small, because an alarm invalidates the experiment


class ArmResult(Record):
    """One arm: its users, its mean of the metric, and the difference from the control (None for the control)."""

    name: str
    version: int
    bundle: str  # its digest
    users: int
    mean: float | None
    gain: float | None
    low: float | None  # None: the interval is not finite yet
    high: float | None


class ExperimentDecision(Record):
    """NAME.decision.json, and what `carousel experiment status --json` prints."""

    experiment: str
    metric: str
    alpha: float
    verdict: Verdict
    reasons: list[str]
    arms: list[ArmResult]
    ratio_evidence: float  # e-value against the intended shares; a mismatch from 1 / SAMPLE_RATIO_ALPHA on
    waiting: int  # users whose window is not over yet
    mixed: int  # users exposed to several arms, left out
    started: datetime
    as_of: datetime


def decide(experiment: Experiment, outcomes: Outcomes, as_of: datetime) -> ExperimentDecision:
    """Return the decision as of now.

    Several treatment arms share alpha (Bonferroni); the first arm that differs determines `better` or `worse`.
    """
    counts = np.bincount(outcomes.arm, minlength=len(experiment.arms))
    ratio = sample_ratio_evidence(counts.tolist(), [arm.share for arm in experiment.arms])
    estimates = compare_arms(experiment, outcomes)
    results = []
    for n, arm in enumerate(experiment.arms):
        values = outcomes.outcome[outcomes.arm == n]
        estimate = None if n == 0 or not np.isfinite(estimates[n - 1].low) else estimates[n - 1]
        results.append(
            ArmResult(
                name=arm.name,
                version=experiment.versions[arm.name],
                bundle=experiment.bundles[arm.name],
                users=int(counts[n]),
                mean=float(values.mean()) if len(values) else None,
                gain=estimate.value if estimate else None,
                low=estimate.low if estimate else None,
                high=estimate.high if estimate else None,
            )
        )
    verdict, reasons = _verdict(experiment, counts.tolist(), ratio, estimates)
    if outcomes.mixed:
        reasons.append(f"{outcomes.mixed} users were exposed to several arms and are left out")
    return ExperimentDecision(
        experiment=experiment.name,
        metric=experiment.metric,
        alpha=experiment.alpha,
        verdict=verdict,
        reasons=reasons,
        arms=results,
        ratio_evidence=min(ratio, 1e300),
        waiting=outcomes.waiting,
        mixed=outcomes.mixed,
        started=experiment.started,
        as_of=as_of,
    )


def compare_arms(experiment: Experiment, outcomes: Outcomes) -> list[IntervalEstimate]:
    """Return the difference of each treatment arm from the control, with variance reduced by CUPED."""
    adjusted = cuped(outcomes.outcome, outcomes.covariate)
    level = experiment.alpha / (len(experiment.arms) - 1)
    arms = [adjusted[outcomes.arm == n] for n in range(len(experiment.arms))]
    return [estimate_difference(arms[0], other, level, experiment.target_users) for other in arms[1:]]


def losing_experiment(folder: Path, digest: str) -> str | None:
    """Return the name of an experiment that found this bundle worse than its control; None where none did."""
    for file in sorted(folder.glob("*.decision.json")):
        decision = read_record(file, ExperimentDecision, "experiment_decision")
        if decision.verdict == "worse" and digest in {arm.bundle for arm in decision.arms[1:]}:
            return decision.experiment
    return None


def estimates_by_day(experiment: Experiment, outcomes: Outcomes) -> list[tuple[int, list[IntervalEstimate]]]:
    """Return (us, differences) at the end of each day, from the first to the last on which a window ended."""
    if not len(outcomes.ended_at):
        return []
    first, last = int(outcomes.ended_at[0]) // DAY_US, int(outcomes.ended_at[-1]) // DAY_US
    ends = [(day + 1) * DAY_US for day in range(first, last + 1)]
    return [(at, compare_arms(experiment, outcomes.until(at))) for at in ends]


def _verdict(
    experiment: Experiment, counts: list[int], ratio: float, estimates: list[IntervalEstimate]
) -> tuple[Verdict, list[str]]:
    if ratio >= 1 / SAMPLE_RATIO_ALPHA:
        shares = ", ".join(f"{arm.name} {n}" for arm, n in zip(experiment.arms, counts, strict=True))
        return "sample ratio mismatch", [
            f"arms differ from their intended shares ({shares}): find where users are lost"
        ]
    if min(counts) < experiment.min_users:
        return "not enough evidence", [f"the smallest arm has {min(counts)} users, min_users is {experiment.min_users}"]
    for arm, estimate in zip(experiment.arms[1:], estimates, strict=True):
        if estimate.sign:
            reason = (
                f"{arm.name}: {estimate.value:+.4g}, interval {estimate.low:+.4g} to {estimate.high:+.4g} excludes 0"
            )
            return ("better" if estimate.sign > 0 else "worse"), [reason]
    first = estimates[0]
    return "no difference shown", [f"{first.value:+.4g}, interval {first.low:+.4g} to {first.high:+.4g} contains 0"]
