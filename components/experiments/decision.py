"""What an experiment says, at any time: a verdict that holds however often one looks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np

from components.contracts import Record
from components.experiments.confidence_sequence import Estimate, cuped, difference
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.experiments.sample_ratio import evidence
from components.times import DAY_US

Verdict = Literal["better", "worse", "no difference shown", "not enough evidence", "broken ratio"]
RATIO_ALPHA = 0.001  # chance to call sound arms broken: it spoils the experiment, so it is small


class ArmResult(Record):
    """One arm: its users, the mean of the metric, and how it differs from the control (None: it is the control)."""

    name: str
    version: int
    bundle: str  # its digest
    users: int
    mean: float | None
    gain: float | None
    low: float | None  # None: nothing can be said yet
    high: float | None


class ExperimentDecision(Record):
    """NAME.decision.json, and what `carousel experiment status --json` prints."""

    experiment: str
    metric: str
    alpha: float
    verdict: Verdict
    reasons: list[str]
    arms: list[ArmResult]
    ratio_evidence: float  # e-value against the intended shares; 1 / RATIO_ALPHA breaks the experiment
    waiting: int
    mixed: int
    started: datetime
    as_of: datetime


def decide(experiment: Experiment, outcomes: Outcomes, as_of: datetime) -> ExperimentDecision:
    """Return what can be said now. Several arms share alpha; `better` or `worse` is the first arm's that differs."""
    counts = np.bincount(outcomes.arm, minlength=len(experiment.arms))
    ratio = evidence(counts.tolist(), [arm.share for arm in experiment.arms])
    estimates = compare(experiment, outcomes)
    results = []
    for n, arm in enumerate(experiment.arms):
        own = outcomes.outcome[outcomes.arm == n]
        told = None if n == 0 else estimates[n - 1]
        known = told is not None and np.isfinite(told.low)
        results.append(
            ArmResult(
                name=arm.name,
                version=experiment.versions[arm.name],
                bundle=experiment.bundles[arm.name],
                users=int(counts[n]),
                mean=float(own.mean()) if len(own) else None,
                gain=told.value if told and known else None,
                low=told.low if told and known else None,
                high=told.high if told and known else None,
            )
        )
    verdict, reasons = _verdict(experiment, counts.tolist(), ratio, estimates)
    if outcomes.mixed:
        reasons.append(f"{outcomes.mixed} users saw lists of several arms and are left out")
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


def compare(experiment: Experiment, outcomes: Outcomes) -> list[Estimate]:
    """Return each further arm's difference from the control, less what the users' past foretold."""
    adjusted = cuped(outcomes.outcome, outcomes.before)
    level = experiment.alpha / (len(experiment.arms) - 1)
    arms = [adjusted[outcomes.arm == n] for n in range(len(experiment.arms))]
    return [difference(arms[0], other, level, experiment.tightest_at) for other in arms[1:]]


def by_day(experiment: Experiment, outcomes: Outcomes) -> list[tuple[int, list[Estimate]]]:
    """Return (us, differences) at the end of each day on which users came in."""
    if not len(outcomes.done):
        return []
    first, last = int(outcomes.done[0]) // DAY_US, int(outcomes.done[-1]) // DAY_US
    ends = [(day + 1) * DAY_US for day in range(first, last + 1)]
    return [(at, compare(experiment, outcomes.until(at))) for at in ends]


def _verdict(
    experiment: Experiment, counts: list[int], ratio: float, estimates: list[Estimate]
) -> tuple[Verdict, list[str]]:
    if ratio >= 1 / RATIO_ALPHA:
        shares = ", ".join(f"{arm.name} {n}" for arm, n in zip(experiment.arms, counts, strict=True))
        return "broken ratio", [f"users are not shared out as intended ({shares}): find what loses them"]
    if min(counts) < experiment.min_users:
        return "not enough evidence", [f"the smallest arm has {min(counts)} users, min_users is {experiment.min_users}"]
    for arm, told in zip(experiment.arms[1:], estimates, strict=True):
        if told.side:
            says = f"{arm.name}: {told.value:+.4g}, at all times between {told.low:+.4g} and {told.high:+.4g}"
            return ("better" if told.side > 0 else "worse"), [says]
    told = estimates[0]
    return "no difference shown", [f"{told.value:+.4g} lies between {told.low:+.4g} and {told.high:+.4g}"]
