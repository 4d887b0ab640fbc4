"""The rule by which each check of a decision holds, and which checks a decision must have.

The gates and the guardrails make checks by these rules; `promote` applies them again to a decision file.
"""

import math

from components.contracts import Check, Decision, Evaluation
from components.monitoring.data_checks import PREFIX as DATA

GAIN = "gain over "
NOT_WORSE = (
    "not worse than "  # its value: the upper bound of the gain; of a retrain, corrected for the number of baselines
)
MARGIN = "within the margin of "  # this and the following ones are of a refresh
POSSIBLE_LOSS = "possible loss"
TOTAL_LOSS = "losses since the last retrain"
LEVEL = "level of the champion"
AGREEMENT = "agreement with "
CONCENTRATION = "concentration"
SCORE_SCALE = "score scale"
LISTS = "lists of the completed model"
EXPOSURE = "exposure of a pushed product"
USERS = "users"
SLICE = "slice"  # prefix of the names of checks on slices
COVERAGE = "coverage"
COVERAGE_RATIO = "coverage against "
LATENCY = "latency"
DRIFT = "drift is computable"
UNSEEN = "champion has not seen the test window"
FINISHED = "training was finished"
NOT_ROLLED_BACK = "never rolled back"
ALWAYS = frozenset({USERS, COVERAGE, LATENCY, DRIFT, FINISHED, NOT_ROLLED_BACK})
AGAINST_CHAMPION = frozenset({f"{COVERAGE_RATIO}the champion", UNSEEN, EXPOSURE})
REFRESH = frozenset({POSSIBLE_LOSS, TOTAL_LOSS, f"{AGREEMENT}the champion", CONCENTRATION, SCORE_SCALE})
AT_MOST = (LATENCY, CONCENTRATION, SCORE_SCALE, EXPOSURE, DATA)  # beginnings of the names of checks with an upper limit
BEYOND_CHANCE = (SLICE, NOT_WORSE, MARGIN, TOTAL_LOSS, LEVEL)  # fail only for what chance does not explain


def holds(name: str, value: float | None, limit: float | None, high: float | None = None) -> bool:
    """Return whether the check holds; False where a number is missing or not finite.

    high: of a slice and others BEYOND_CHANCE, the upper bound of the value: such a check fails when the value is below
    the limit and the bound below zero. Of a possible loss, the upper bound that a measured loss of the limit would
    have: below zero, such a loss would be shown, so that it need not be excluded.
    """
    if value is None or limit is None or not (math.isfinite(value) and math.isfinite(limit)):
        return False
    if name.startswith(GAIN):
        return value > limit
    if name.startswith(AT_MOST):
        return value <= limit
    if name == POSSIBLE_LOSS:
        return value >= limit or (high is not None and math.isfinite(high) and high < 0)
    if name.startswith(BEYOND_CHANCE):
        return value >= limit or (high is not None and math.isfinite(high) and high >= 0)
    return value >= limit  # counts, shares, and facts, which are 1 of 1


def make_check(name: str, value: float | None, limit: float | None, why: str, high: float | None = None) -> Check:
    """Return the check, passed by the rule of its name."""
    return Check(name=name, passed=holds(name, value, limit, high), value=value, limit=limit, high=high, why=why)


def simple_models_judge(total: float | None) -> bool:
    """Return whether simple models judge a refresh: only where the refreshes since the last retrain have not gained.

    total: the value of the check TOTAL_LOSS.
    """
    return total is None or total < 0


def contradictions(decision: Decision, evaluation: Evaluation) -> list[str]:
    """Return what is wrong with the checks of a decision on this evaluation, one sentence each; [] for none.

    Each check that the gate makes must be there once, say what its numbers say, and be about the same gain.
    """
    if decision.purpose != evaluation.purpose:
        return [f"the decision is of a {decision.purpose}, its evaluation of a {evaluation.purpose}"]
    names = [check.name for check in decision.checks]
    found = [f"{name!r} is there {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    found += [f"{name!r} is missing" for name in sorted(_required(decision, evaluation) - set(names))]
    for check in decision.checks:
        if check.passed != holds(check.name, check.value, check.limit, check.high):
            found.append(f"{check.name!r} says passed: {str(check.passed).lower()}, its numbers say otherwise")
    return found + _other_gains(decision)


def _other_gains(decision: Decision) -> list[str]:
    """Return a sentence for each check that is about another gain over the champion than the decision's."""
    gain, found = decision.gain, []
    if gain is None:
        return []
    bounds = {f"{GAIN}champion": gain.low, POSSIBLE_LOSS: gain.low, f"{NOT_WORSE}champion": gain.high}
    bounds[f"{MARGIN}champion"] = gain.gain
    for check in decision.checks:
        expected = bounds.get(check.name, check.value)
        if check.value != expected:
            found.append(f"the gain is {gain.gain}, {gain.low} to {gain.high}; {check.name!r} says {check.value}")
    return found


def _required(decision: Decision, evaluation: Evaluation) -> set[str]:
    """Return the names of the checks that the gate of this purpose makes of this evaluation."""
    names = {check.name for check in decision.checks}
    compared = [*evaluation.baselines, *(["champion"] if evaluation.champion else [])]
    if evaluation.purpose == "refresh":
        if not all(simple_models_judge(check.value) for check in decision.checks if check.name == TOTAL_LOSS):
            compared = ["champion"]
        required = set(ALWAYS) | REFRESH | {f"{rule}{name}" for name in compared for rule in (NOT_WORSE, MARGIN)}
    else:
        beaten = [name for name in compared if evaluation.simpler is None or name in (*evaluation.simpler, "champion")]
        required = set(ALWAYS) | {f"{GAIN}{name}" for name in beaten}
        if evaluation.simpler is not None:
            required |= {f"{NOT_WORSE}{name}" for name in evaluation.baselines}
    required |= set() if any(name.startswith(DATA) for name in names) else {DATA}
    if evaluation.champion is None:
        return required
    sizes = {row.slice: row.n_users for row in evaluation.slices if row.model == evaluation.challenger}
    judged = {name for name in sizes if f"{SLICE} {name}" in names}
    least = min((sizes[name] for name in judged), default=0)  # a slice is left out only for having fewer users
    slices = {f"{SLICE} {name}" for name, n_users in sizes.items() if n_users >= least}
    return required | AGAINST_CHAMPION | (slices if judged else {f"{SLICE}s"})
