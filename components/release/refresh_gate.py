"""The verdict on a refresh: the champion's recipe, fitted on newer data, ships unless it is worse or may be broken.

A retrain asks whether another recipe is better, and needs proof. A refresh has the recipe that was proven, and newer
data make it better on average. So it ships unless one of these holds:

1. the whole paired interval of its gain over the champion lies below 0, and a sign test of the users agrees: shown to
   be worse;
2. the gain is below -refresh.margin of the champion's mean, and equal models would be so far below in at most
   1 - gate.confidence of all cases: with few users a plain margin would often refuse by chance;
3. there are so few users, or hits, that chance would explain even a measured loss of refresh.max_possible_loss, which
   the interval does not exclude; or fewer than gate.min_users, for which no interval is trusted;
4. the running sum of relative gains since the last retrain is below -refresh.max_total_loss, beyond chance: losses
   too small for 1 and 2 add up;
5. the running sum is below 0, and 1 or 2 hold against the best simple model, fitted on the same data, which does not
   age with the champion. Where the refreshes since the last retrain have gained, a better simple model is a matter for
   `carousel retrain`, and a note: to keep an older model of the same recipe would not help;
6. a guardrail fails: on the data, the champion's own level, the lists, slices, latency, or the history of either model.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

import numpy as np

from components.contracts import Check, Decision, Evaluation, FloatArray, Interval, Verdict
from components.errors import ContractError, ReleaseError
from components.evaluation.results import read_values
from components.params import Params
from components.release import guardrails, list_guardrails
from components.release.checks import (
    LEVEL,
    MARGIN,
    NOT_WORSE,
    POSSIBLE_LOSS,
    TOTAL_LOSS,
    USERS,
    make_check,
    simple_models_judge,
)
from components.release.contest import Contenders, Measurements, check_fresh, make_decision
from components.release.evidence import CHAMPION, Evidence, read_evidence
from components.release.gate import history_checks
from components.release.refresh_history import RefreshHistory, chance_bound, standard_error


def decide_refresh(
    measured: Measurements,
    contenders: Contenders,
    params: Params,
    history: RefreshHistory,
    decided_at: datetime,
) -> Decision:
    """Return the decision: `refresh` where every check holds, else `keep` with those that do not.

    Raises StaleDecisionError when the evaluation compared other models, ReleaseError for a metric that is missing or
    not finite, for per-user values that are not those of the evaluation, or where nothing serves yet.
    """
    evaluation = measured.evaluation
    _check_purpose(evaluation)
    check_fresh(evaluation, contenders.challenger, contenders.champion)
    evidence = read_evidence(evaluation, measured.per_user, measured.latency_ms, params)
    total = _total_gain(evidence, history)
    comparisons = [*_comparison_checks(evidence, history, total, params)]
    others = [
        *_level_checks(evaluation, measured, history, params),
        *list_guardrails.all_checks(evidence, params),
        *guardrails.slice_checks(evidence, params, only_certain=True),
        *guardrails.common_checks(evidence, measured.drift, measured.latency_ms, measured.data_checks, params),
        *(check for check, _ in history_checks(evaluation, contenders)),
    ]
    checks = [*comparisons, *others]
    failed = [check for check in checks if not check.passed]
    reasons = [f"{check.name}: {check.why}" for check in failed or comparisons]
    verdict: Verdict = "keep" if failed else "refresh"
    notes = [] if simple_models_judge(total) else _better_simple_models(evidence, params)
    decision = make_decision(measured, contenders, evidence, params, verdict, reasons, checks, decided_at)
    return decision.model_copy(update={"notes": [*decision.notes, *notes]})


def _check_purpose(evaluation: Evaluation) -> None:
    if evaluation.purpose != "refresh":
        raise ReleaseError(f"the evaluation is of a {evaluation.purpose}, not of a refresh; run `carousel refresh`")
    if evaluation.champion is None:
        raise ReleaseError("nothing serves yet: a refresh needs a champion; run `carousel retrain --bootstrap`")


def _gain_over_champion(evidence: Evidence) -> Interval:
    if evidence.over_champion is None:
        raise ReleaseError("the evaluation has no comparison with the champion; evaluate again")
    return evidence.over_champion


def _total_gain(evidence: Evidence, history: RefreshHistory) -> float | None:
    """Return the sum of relative gains since the last retrain, with this one; None: the champion's metric is 0."""
    champion = evidence.test[CHAMPION][evidence.primary]
    return history.total + _gain_over_champion(evidence).gain / champion if champion > 0 else None


def _comparison_checks(
    evidence: Evidence, history: RefreshHistory, total: float | None, params: Params
) -> Iterator[Check]:
    """Yield the rules 1 to 5 of the module."""
    gain = _gain_over_champion(evidence)
    why = f"{evidence.n_users} users{evidence.whose} in the holdout, gate.min_users is {params.gate.min_users}"
    yield make_check(USERS, evidence.n_users, params.gate.min_users, why)
    bounds = {CHAMPION: gain.high, **evidence.upper_bounds}  # corrected for the number of baselines
    simple = evidence.over_baselines if simple_models_judge(total) else {}
    for name, interval in {CHAMPION: gain, **simple}.items():
        high = bounds[name] if name in evidence.losses_by_sign else max(bounds[name], 0.0)
        yield from _not_below(name, interval, (bounds[name], high), evidence.test[name][evidence.primary], params)
    champion = evidence.test[CHAMPION][evidence.primary]
    yield _possible_loss(gain, champion, params)
    yield _total_loss(gain, champion, history, total, params)


def _better_simple_models(evidence: Evidence, params: Params) -> list[str]:
    """Return a sentence for each simple model that ranks these users better, by more than the margin."""
    return [
        f"{name} is better on this holdout: {-gain.gain:+.4f} over {gain.n_users} users, "
        f"{params.gate.confidence:.0%} interval {-gain.high:+.4f} to {-gain.low:+.4f}; `carousel retrain` with it in "
        "evaluation.candidates or models.hybrid.parts compares the recipes"
        for name, gain in evidence.over_baselines.items()
        if gain.gain < -params.refresh.margin * evidence.test[name][evidence.primary]
    ]


def _not_below(
    other: str, interval: Interval, bounds: tuple[float, float], mean: float, params: Params
) -> Iterator[Check]:
    """Yield whether the model is not shown to be worse than the other, and not below the margin.

    bounds: the upper bound of the gain, and what a sign test of the users leaves of it. Models of two nights rank few
    users differently, and a bootstrap of few differences lies below 0 too often.
    """
    bound, high = bounds
    percent, margin = f"{params.gate.confidence:.0%}", params.refresh.margin
    measured = f"{interval.gain:+.4f} against {mean:.4f} over {interval.n_users} users"
    why = f"{measured}, {percent} interval {interval.low:+.4f} to {interval.high:+.4f}"
    why += ": shown to be worse" if high < 0 else ""
    why += ", but as many users are served better, by a sign test" if bound < 0 <= high else ""
    yield make_check(f"{NOT_WORSE}{other}", bound, 0.0, why, high)
    high = chance_bound(interval.gain, standard_error(interval, params.gate.confidence), params.gate.confidence)
    why = f"{measured}; a loss of up to {margin:.1%} (refresh.margin), or one that chance explains, is accepted"
    yield make_check(f"{MARGIN}{other}", interval.gain, -margin * mean, why, high)


def _possible_loss(gain: Interval, champion: float, params: Params) -> Check:
    """Return whether a large loss is excluded by the interval, or would have been shown by the margin's rule.

    A limit on the interval alone refuses equal models: where a user's hits are sparse, 200 users leave it 30 % wide.
    """
    share, confidence = params.refresh.max_possible_loss, params.gate.confidence
    loss, error = -share * champion, standard_error(gain, confidence)
    high = chance_bound(loss, error, confidence)  # that a measured loss of this size would have
    why = f"the interval begins at {gain.low:+.4f}, a loss of {share:.0%} (refresh.max_possible_loss) is at {loss:+.4f}"
    if gain.low < loss and high < 0:
        why += f", and would be shown: chance explains {chance_bound(0, error, confidence):.4f}"
    elif gain.low < loss:
        enough = ceil(gain.n_users * (chance_bound(0, error, confidence) / loss) ** 2) if loss else None
        why += ", and chance would explain it: too few users"
        why += f"; set refresh.min_users to {enough} and raise refresh.max_holdout_days" if enough else ""
    return make_check(POSSIBLE_LOSS, gain.low, loss, why, high)


def _total_loss(gain: Interval, champion: float, history: RefreshHistory, total: float | None, params: Params) -> Check:
    limit, confidence = params.refresh.max_total_loss, params.gate.confidence
    if total is None:
        return make_check(TOTAL_LOSS, None, -limit, "the champion's metric is 0: there is no relative gain to add up")
    error = float(np.hypot(history.error, standard_error(gain, confidence) / champion))
    high = chance_bound(total, error, confidence)
    why = (
        f"{total:+.1%} with this refresh, {history.total:+.1%} before, upper bound by chance {high:+.1%}; a loss of up "
        f"to {limit:.1%} (refresh.max_total_loss), or one that chance explains, is accepted"
    )
    if not (total >= -limit or high >= 0):
        why += ": run `carousel retrain`, which compares the recipe anew"
    return make_check(TOTAL_LOSS, total, -limit, why, high)


def _level_checks(
    evaluation: Evaluation, measured: Measurements, history: RefreshHistory, params: Params
) -> Iterator[Check]:
    """Yield whether the champion ranks these users about as well as those of its own refresh.

    Where the newest events are wrong, such as items with the ids of others, a model that learned from them ranks them
    better than the champion: then only the champion's fall tells. An old champion falls by its age, too, so its level
    is not compared for ever: else a shop of short-lived products would keep it until nothing could replace it.
    Nor are levels by two questions about time compared.
    """
    if not history.level or history.question != evaluation.question:
        return
    if _days_between(history.level_at, evaluation.as_of) > params.refresh.max_level_age_days:
        return
    values = _champion_values(evaluation, measured)
    level, limit = float(values.mean(dtype=np.float64)), params.refresh.max_level_drop
    change = level / history.level - 1
    error = float(values.std(ddof=1, dtype=np.float64)) / history.level * np.sqrt(2 / len(values))  # of both means
    why = (
        f"the champion's {evaluation.primary} is {level:.4f}, and was {history.level:.4f} on the holdout of its own "
        f"refresh: {change:+.0%}; a fall of up to {limit:.0%} (refresh.max_level_drop), or one that chance explains, "
        "is accepted"
    )
    high = chance_bound(change, error, params.gate.confidence)
    if not (change >= -limit or high >= 0):
        why += (
            ": look at the newest events; if the change is real, run `carousel refresh --set refresh.max_level_drop=1`"
        )
    yield make_check(LEVEL, change, -limit, why, high)


def _days_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)) / timedelta(days=1)


def _champion_values(evaluation: Evaluation, measured: Measurements) -> FloatArray:
    """Return (n_users,) the champion's values of the primary metric; `read_evidence` has checked the file."""
    try:
        return read_values(measured.per_user, evaluation.primary, evaluation.primary_slice)[CHAMPION]
    except ContractError as error:
        raise ReleaseError(f"no verdict: {error}") from error
