"""What both gates read and write: the measurements, the compared models, and the record of a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.contracts import ChampionRef, Check, Completion, Decision, DriftVerdict, Evaluation, Verdict
from components.errors import StaleDecisionError
from components.params import Params
from components.release.checks import SLICE
from components.release.evidence import Evidence


@dataclass(frozen=True)
class Measurements:
    """What was measured of the challenger and of the champion."""

    evaluation: Evaluation
    evaluation_digest: str  # sha256 of evaluation.json
    per_user: Path  # reports/evaluate/per_user.parquet
    drift: DriftVerdict
    latency_ms: float  # p99 of one user's list
    data_checks: Sequence[Check]  # guardrails on the data; empty: they were not made, which fails
    completion: Completion | None = None  # of a refresh: what its bundle learned after what was measured


@dataclass(frozen=True)
class Contenders:
    """The compared models, and the challenger's earlier results on live traffic."""

    challenger: ChampionRef
    champion: ChampionRef | None  # the version that serves now, by the registry
    rolled_back: datetime | None = None  # when a rollback replaced the challenger; None: it was never rolled back
    losing_experiment: str | None = None  # the A/B test on the live service that found it worse; None: none did
    same_recipe: bool = False  # both recipes give the same recommender on the same data


def check_fresh(evaluation: Evaluation, challenger: ChampionRef, champion: ChampionRef | None) -> None:
    """Raise StaleDecisionError unless the evaluation compared these two models."""
    if evaluation.champion != champion:
        raise StaleDecisionError(
            f"the evaluation compared with {_name(evaluation.champion)}, but {_name(champion)} serves now; "
            "run `carousel retrain` to compare anew"
        )
    if evaluation.challenger != challenger.model:
        raise StaleDecisionError(
            f"the evaluation's challenger is {evaluation.challenger}, the bundle holds {challenger.model}; "
            "run the stage `package` again"
        )


def make_decision(
    measured: Measurements,
    contenders: Contenders,
    evidence: Evidence,
    params: Params,
    verdict: Verdict,
    reasons: Sequence[str],
    checks: Sequence[Check],
    decided_at: datetime,
) -> Decision:
    """Return the record of a verdict of either gate; nothing is promoted where gate.mode is disabled."""
    evaluation, completion = measured.evaluation, measured.completion
    if params.gate.mode == "disabled":
        verdict, reasons = "keep", ["gate.mode is disabled: nothing is promoted", *reasons]
    return Decision(
        verdict=verdict,
        purpose=evaluation.purpose,
        mode=params.gate.mode,
        bootstrap=False,
        reasons=list(reasons),
        checks=list(checks),
        gain=evidence.over_champion or evidence.over_best_baseline(),
        users_needed=None,
        notes=[*describe_small_slices(evidence, params), *([completion.describe()] if completion else [])],
        completion=completion,
        challenger_version=contenders.challenger.version,
        challenger_digest=contenders.challenger.digest,
        champion=contenders.champion,
        primary=evaluation.primary,
        question=evaluation.question,
        as_of=evaluation.as_of,
        evaluation_digest=measured.evaluation_digest,
        decided_at=decided_at.astimezone(UTC).isoformat(timespec="seconds"),
    )


def describe_small_slices(evidence: Evidence, params: Params) -> list[str]:
    """Return a sentence for each slice that has too few users to be judged."""
    least = params.evaluation.min_slice_users
    return [
        f"{SLICE} {name} was not judged: too few users, {n_users} of {least} (evaluation.min_slice_users)"
        for name, n_users in evidence.small_slices.items()
    ]


def _name(champion: ChampionRef | None) -> str:
    return f"version {champion.version} ({champion.digest[:12]})" if champion else "no champion"
