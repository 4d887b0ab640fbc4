"""The verdict: promote, keep, or not enough evidence. The gate reads measurements and decides; it measures nothing.

A gain is shown when the whole paired bootstrap interval lies above its limit: over the champion and over every baseline
that is simpler than the challenger it must be. An interval that contains its limit is inconclusive: not enough
evidence; one at or below the limit over the champion means keep. So does a loss to any baseline that is significant
after Holm's correction for their number: also for a first champion. A guardrail that fails means keep; a slice only if
its loss is significant after a correction for the number of slices. A check that cannot be computed fails; a missing or
non-finite value raises ReleaseError.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from components.contracts import Check, Decision, Evaluation, Interval
from components.evaluation.comparison import UsersNeeded
from components.params import Params
from components.release import guardrails
from components.release.checks import FINISHED, GAIN, NOT_ROLLED_BACK, NOT_WORSE, SLICE, UNSEEN, USERS, make_check
from components.release.contest import Contenders, Measurements, check_fresh, make_decision
from components.release.evidence import CHAMPION, Evidence, is_inconclusive, read_evidence

Answer = Literal["yes", "no", "unsure"]


@dataclass
class _Ruling:
    """The checks so far, and for each its answer to "promote?"."""

    checks: list[Check] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def add(self, check: Check, otherwise: Answer = "no") -> None:
        """Add a check; `otherwise` is its answer if it failed."""
        self.checks.append(check)
        self.answers.append("yes" if check.passed else otherwise)


def decide(
    measured: Measurements, contenders: Contenders, params: Params, bootstrap: bool, decided_at: datetime
) -> Decision:
    """Return the decision. bootstrap: promote a first champion; it counts only where nothing serves.

    The guardrails apply to a first champion, too.
    Raises StaleDecisionError when the evaluation compared with another champion or challenger, ReleaseError for a
    metric that is missing or not finite, or per-user values that are not those of the evaluation.
    """
    evaluation, champion = measured.evaluation, contenders.champion
    check_fresh(evaluation, contenders.challenger, champion)
    evidence = read_evidence(evaluation, measured.per_user, measured.latency_ms, params)
    ruling = _Ruling()
    _judge_gains(ruling, evidence, params)
    checks = guardrails.all_checks(evidence, measured.drift, measured.latency_ms, measured.data_checks, params)
    _judge_guardrails(ruling, checks, evidence, params)
    for check, otherwise in history_checks(evaluation, contenders):
        ruling.add(check, otherwise)
    verdict, reasons = _verdict(ruling, champion is None, bootstrap)
    needed = _users_needed(evidence, params) if verdict == "not_enough_evidence" else None
    if needed is not None:
        reasons = [*reasons, _describe_users(needed, params.gate.promotion_confidence)]
    decision = make_decision(measured, contenders, evidence, params, verdict, reasons, ruling.checks, decided_at)
    return decision.model_copy(
        update={
            "bootstrap": bootstrap and champion is None,
            "users_needed": needed.estimate if needed else None,
            "users_needed_interval": (needed.low, needed.high) if needed else None,
        }
    )


def _judge_guardrails(ruling: _Ruling, checks: Iterable[Check], evidence: Evidence, params: Params) -> None:
    """Add the guardrails; a slice that fails is inconclusive with too few users, or if it may be by chance."""
    few = evidence.n_users < params.gate.min_users
    certain = {f"{SLICE} {part.name}" for part in evidence.slices if part.certain_loss}
    for check in checks:
        is_slice = check.name.startswith(SLICE)
        ruling.add(check, "unsure" if is_slice and (few or check.name not in certain) else "no")


def history_checks(evaluation: Evaluation, contenders: Contenders) -> Iterator[tuple[Check, Answer]]:
    """Yield the checks on the history of both models, each with its answer if it failed.

    They are about how the models were trained, rollbacks, and experiments on live users.
    """
    challenger, champion = contenders.challenger, contenders.champion
    yield _finished(evaluation), "unsure"
    if champion is not None:
        yield _unseen(evaluation), "unsure"
        if challenger.digest == champion.digest:
            yield _fact("another bundle than the champion's", False, "the champion is this very bundle"), "no"
        elif contenders.same_recipe and evaluation.purpose == "retrain":
            why = "the same recipe as the champion's: `carousel refresh` ships newer data"
            yield _fact("another recipe than the champion's", False, why), "no"
    yield _not_rolled_back(contenders.rolled_back, challenger.version), "no"
    if contenders.losing_experiment is not None:
        why = f"worse in the experiment {contenders.losing_experiment} on live users"
        yield _fact("no experiment lost", False, why), "no"


def required_checks(decision: Decision) -> list[Check]:
    """Return the checks that must have passed for a promotion; a first champion need not be shown to be better."""
    if not decision.bootstrap:
        return decision.checks
    return [check for check in decision.checks if not _is_comparison(check)]


def _is_comparison(check: Check) -> bool:
    return check.name.startswith(GAIN) or check.name == USERS


def _judge_gains(ruling: _Ruling, evidence: Evidence, params: Params) -> None:
    """Add the comparisons with the champion and the baselines."""
    enough = evidence.n_users >= params.gate.min_users
    why = f"{evidence.n_users} test users{evidence.whose}, gate.min_users is {params.gate.min_users}"
    ruling.add(make_check(USERS, evidence.n_users, params.gate.min_users, why), "unsure")
    over = evidence.over_champion
    if over:
        limit = params.gate.min_gain
        undecided = not enough or is_inconclusive(over, limit)
        ruling.add(_gain_check(CHAMPION, over, limit, params), "unsure" if undecided else "no")
    for name in evidence.simpler:
        interval = evidence.over_baselines[name]
        is_tie = interval.low == interval.high  # no user is served otherwise: more users would not help
        ruling.add(_gain_check(name, interval, 0.0, params), "no" if is_tie and enough else "unsure")
    for name in evidence.over_baselines:
        ruling.add(_loss_check(name, evidence, params), "no" if enough else "unsure")


def _loss_check(over: str, evidence: Evidence, params: Params) -> Check:
    """Return whether the challenger is not shown worse than a baseline."""
    bound, interval, n = evidence.upper_bounds[over], evidence.over_baselines[over], len(evidence.upper_bounds)
    advice = f"the challenger is worse; `carousel retrain --set evaluation.candidates=[{over}]` compares {over} itself"
    found = "it is not shown to be worse" if bound >= 0 else advice
    why = (
        f"{interval.gain:+.4f} over {interval.n_users} users, upper bound {bound:+.4f} at {params.gate.confidence:.0%} "
        f"corrected for {n} simple models (Holm): {found}"
    )
    return make_check(f"{NOT_WORSE}{over}", bound, 0.0, why)


def _gain_check(over: str, interval: Interval, limit: float, params: Params) -> Check:
    percent = f"{params.gate.promotion_confidence:.0%}"
    if interval.low > limit:
        found = "the challenger is better"
    elif interval.high <= limit:
        found = "the challenger is no better"
    else:
        found = "the interval contains the limit"
    why = (
        f"{interval.gain:+.4f}, {percent} interval {interval.low:+.4f} to {interval.high:+.4f} over {interval.n_users} "
        f"users; limit {limit:+.4f}: {found}"
    )
    return make_check(f"{GAIN}{over}", interval.low, limit, why)


def _finished(evaluation: Evaluation) -> Check:
    why = "; ".join(evaluation.unfinished) or "no limit in minutes stopped it"
    return _fact(FINISHED, not evaluation.unfinished, why)


def _unseen(evaluation: Evaluation) -> Check:
    saw = evaluation.champion_saw_test
    what = "it was trained, or its recipe selected,"
    why = f"{what} on part of this window: compare on a later one" if saw else f"{what} before the window"
    return _fact(UNSEEN, not saw, why)


def _not_rolled_back(at: datetime | None, version: int) -> Check:
    why = f"it was, at {at.isoformat()}: `carousel rollback --to {version}` brings it back" if at else "it never was"
    return _fact(NOT_ROLLED_BACK, at is None, why)


def _fact(name: str, is_true: bool, why: str) -> Check:
    return make_check(name, float(is_true), 1.0, why)


def _verdict(
    ruling: _Ruling, first: bool, bootstrap: bool
) -> tuple[Literal["promote", "keep", "not_enough_evidence"], list[str]]:
    pairs = list(zip(ruling.checks, ruling.answers, strict=True))
    if first:
        pairs = [(check, answer) for check, answer in pairs if not _is_comparison(check)]
    against = [_reason(check) for check, answer in pairs if answer == "no"]
    unsure = [_reason(check) for check, answer in pairs if answer == "unsure"]
    if first and not bootstrap:
        return "keep", ["nothing serves yet: a first champion needs --bootstrap", *against]
    if against:
        return "keep", [*against, *unsure]
    if unsure:
        return "not_enough_evidence", unsure
    if first:
        aside = [f"not shown: {_reason(c)}" for c in ruling.checks if _is_comparison(c) and not c.passed]
        return "promote", ["first champion, requested with --bootstrap", *aside]
    return "promote", [_reason(check) for check, _ in pairs if _is_comparison(check)]


def _users_needed(evidence: Evidence, params: Params) -> UsersNeeded | None:
    """Return how many further test users all comparisons need; None where more users would not help."""
    few = params.gate.min_users - evidence.n_users
    needed = [*evidence.users_needed.values(), UsersNeeded(estimate=few, low=few, high=few)]
    highs = [row.high for row in needed if row.high is not None]
    largest = UsersNeeded(
        estimate=max(row.estimate for row in needed),
        low=max(row.low for row in needed),
        high=max(highs) if len(highs) == len(needed) else None,
    )
    return largest if largest.estimate > 0 else None


def _describe_users(needed: UsersNeeded, confidence: float) -> str:
    if needed.high is None:
        bounds = f"at least {needed.low:,}, no upper bound: the true gain may be the limit itself"
    else:
        bounds = f"{needed.low:,} to {needed.high:,}"
    return f"about {needed.estimate:,} further test users would decide ({confidence:.0%} interval: {bounds})"


def _reason(check: Check) -> str:
    return f"{check.name}: {check.why}"
