"""The rule by which each check of a decision holds, and which checks a decision must have.

The gate and the guardrails make checks by these rules; `promote` applies them again to a decision file.
"""

import math

from components.contracts import Check, Decision, Evaluation

GAIN = "gain over "
USERS = "users"
SLICE = "slice"  # prefix of the names of checks on slices
COVERAGE = "coverage"
COVERAGE_RATIO = "coverage against the champion"
LATENCY = "latency"
DRIFT = "drift is computable"
UNSEEN = "champion has not seen the test window"
FINISHED = "training was finished"
NOT_ROLLED_BACK = "never rolled back"
ALWAYS = frozenset({USERS, COVERAGE, LATENCY, DRIFT, FINISHED, NOT_ROLLED_BACK})
AGAINST_CHAMPION = frozenset({f"{GAIN}champion", COVERAGE_RATIO, UNSEEN})


def holds(name: str, value: float | None, limit: float | None, high: float | None = None) -> bool:
    """Return whether the check holds; False where a number is missing or not finite.

    high: of a slice, the upper bound of its gain: it fails when the gain is below the limit and the bound below zero.
    """
    if value is None or limit is None or not (math.isfinite(value) and math.isfinite(limit)):
        return False
    if name.startswith(GAIN):
        return value > limit
    if name == LATENCY:
        return value <= limit
    if name.startswith(SLICE):
        return value >= limit or (high is not None and math.isfinite(high) and high >= 0)
    return value >= limit  # counts, shares, and facts, which are 1 of 1


def make_check(name: str, value: float | None, limit: float | None, why: str, high: float | None = None) -> Check:
    """Return the check, passed by the rule of its name."""
    return Check(name=name, passed=holds(name, value, limit, high), value=value, limit=limit, high=high, why=why)


def contradictions(decision: Decision, evaluation: Evaluation) -> list[str]:
    """Return what is wrong with the checks of a decision on this evaluation, one sentence each; [] for none.

    Each check that the gate makes must be there once, say what its numbers say, and be about the same gain.
    """
    names = [check.name for check in decision.checks]
    found = [f"{name!r} is there {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1]
    found += [f"{name!r} is missing" for name in sorted(_required(decision, evaluation) - set(names))]
    for check in decision.checks:
        if check.passed != holds(check.name, check.value, check.limit, check.high):
            found.append(f"{check.name!r} says passed: {str(check.passed).lower()}, its numbers say otherwise")
    gain, over = decision.gain, next((c for c in decision.checks if c.name == f"{GAIN}champion"), None)
    if gain and over and over.value != gain.low:
        found.append(f"the gain is {gain.low} at least, the check {over.name!r} says {over.value}")
    return found


def _required(decision: Decision, evaluation: Evaluation) -> set[str]:
    """Return the names of the checks that the gate makes of this evaluation."""
    required = set(ALWAYS) | {f"{GAIN}{name}" for name in evaluation.baselines}
    if evaluation.champion is None:
        return required
    sizes = {row.slice: row.n_users for row in evaluation.slices if row.model == evaluation.challenger}
    judged = {name for name in sizes if f"{SLICE} {name}" in {check.name for check in decision.checks}}
    least = min((sizes[name] for name in judged), default=0)  # a slice is left out only for having fewer users
    slices = {f"{SLICE} {name}" for name, n_users in sizes.items() if n_users >= least}
    return required | AGAINST_CHAMPION | (slices if judged else {f"{SLICE}s"})
