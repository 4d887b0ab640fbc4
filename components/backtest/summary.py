"""Numbers of a backtest: quality and compute of each policy, and which planted faults a policy refused."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from components.backtest.passes import ReplayedPass
from components.backtest.replay import Backtest, FaultReplay, PolicyReplay
from components.contracts import Record

COSTLY = 0.05  # share of the next period's quality; a fault that costs as much must be refused
ERROR = "error"


class PolicySummary(Record):
    """One policy over all periods. A comparison is None where the other policy was not replayed."""

    policy: str
    mean: float  # of the periods' values
    over_superiority: float | None  # relative difference of the means
    over_newest: float | None
    worst_against_never: float | None  # the lowest relative difference of a period
    cpu_s: float  # of all passes, as if nothing were shared with other policies
    retrains: int  # after the opening
    promoted: int
    refreshes: int  # judged, after the opening
    refused: int  # of the refreshes
    recipes: int  # that served


class FaultSummary(Record):
    """One kind of fault over all dates on which it was planted, under one judged policy."""

    fault: str
    policy: str
    dates: int
    mean_cost: float  # share of the next period's quality that shipping the fault costs, by the policy newest
    largest_cost: float
    costly: int  # dates on which it costs COSTLY or more
    costly_refused: int
    refused: int  # of all dates
    shipped_after: int  # dates after which the next pass, on mended data, ships


class RuleSummary(Record):
    """One check of the gate of a refresh, over all judged refreshes of a backtest after their opening."""

    rule: str  # name of the check; ERROR for a run that ends without a verdict
    sound: int  # refreshes on sound data that it refuses
    sound_alone: int  # of them, those that no other check refuses
    planted: int  # refreshes on a planted fault that it refuses
    planted_alone: int
    costly_alone: int  # of these, on faults that cost COSTLY or more


def summarise_policies(backtest: Backtest) -> list[PolicySummary]:
    """Return a row for each policy, in the order of the replays."""
    values = {replay.policy: [period.value for period in replay.periods] for replay in backtest.replays}
    return [_summary(replay, values) for replay in backtest.replays]


def summarise_faults(backtest: Backtest) -> list[FaultSummary]:
    """Return a row for each fault and judged policy; [] where the policy newest, which ships each fault, is missing."""
    costs = _costs(backtest)
    rows: dict[tuple[str, str], list[FaultReplay]] = {}
    for planted in backtest.planted:
        if planted.policy != "newest" and judged(planted.periods[0].passes):
            rows.setdefault((planted.fault, planted.policy), []).append(planted)
    return [_fault_summary(*key, found, costs) for key, found in rows.items() if costs]


def summarise_rules(backtest: Backtest) -> list[RuleSummary]:
    """Return a row for each check that refused a refresh, those that refuse sound data most often first."""
    sound = [_failed(done) for replay in backtest.replays for done in refusals(replay) if done.purpose == "refresh"]
    costs = _costs(backtest)
    planted = [
        (_failed(done), costs.get((replay.fault, replay.periods[0].start), 0.0) >= COSTLY)
        for replay in backtest.planted
        for done in replay.periods[0].passes
        if done.purpose == "refresh" and not done.ships
    ]
    names = {name for found in [*sound, *(found for found, _ in planted)] for name in found}
    rows = [
        RuleSummary(
            rule=name,
            sound=sum(name in found for found in sound),
            sound_alone=sum(found == [name] for found in sound),
            planted=sum(name in found for found, _ in planted),
            planted_alone=sum(found == [name] for found, _ in planted),
            costly_alone=sum(found == [name] and costly for found, costly in planted),
        )
        for name in names
    ]
    return sorted(rows, key=lambda row: (-row.sound, -row.planted, row.rule))


def _failed(done: ReplayedPass) -> list[str]:
    """Return the names of the checks that refused the pass."""
    return [check.name for check in done.checks if not check.passed] or [ERROR]


def _costs(backtest: Backtest) -> dict[tuple[str, str], float]:
    """Return fault and start -> the share of the next period's quality that it costs the policy newest."""
    return {
        (planted.fault, planted.periods[0].start): -_relative(planted.periods[0].value, planted.sound[0])
        for planted in backtest.planted
        if planted.policy == "newest" and planted.sound[0]  # where nothing is right without it, a fault costs nothing
    }


def judged(passes: Sequence[ReplayedPass]) -> list[ReplayedPass]:
    """Return the passes that a gate judged."""
    return [done for done in passes if done.purpose != "refit"]


def refusals(replay: PolicyReplay) -> list[ReplayedPass]:
    """Return the judged passes after the opening that did not ship."""
    return [done for period in replay.periods[1:] for done in judged(period.passes) if not done.ships]


def _summary(replay: PolicyReplay, values: dict[str, list[float]]) -> PolicySummary:
    own, never = values[replay.policy], values.get("never")
    later = [done for period in replay.periods[1:] for done in period.passes]
    retrains, refreshes = ([done for done in later if done.purpose == kind] for kind in ("retrain", "refresh"))
    return PolicySummary(
        policy=replay.policy,
        mean=fmean(own),
        over_superiority=_over(own, values.get("superiority")),
        over_newest=_over(own, values.get("newest")),
        worst_against_never=min((_relative(a, b) for a, b in zip(own, never or [], strict=False) if b), default=None),
        cpu_s=round(sum(done.cpu_s for period in replay.periods for done in period.passes), 1),
        retrains=len(retrains),
        promoted=sum(done.ships for done in retrains),
        refreshes=len(refreshes),
        refused=sum(not done.ships for done in refreshes),
        recipes=len({period.serving.recipe.digest for period in replay.periods}),
    )


def _over(own: list[float], other: list[float] | None) -> float | None:
    return _relative(fmean(own), fmean(other)) if other and any(other) else None


def _relative(value: float, other: float) -> float:
    return value / other - 1


def _fault_summary(
    fault: str, policy: str, found: list[FaultReplay], costs: dict[tuple[str, str], float]
) -> FaultSummary:
    cost = [costs.get((fault, planted.periods[0].start), 0.0) for planted in found]
    refused = [not any(done.ships for done in planted.periods[0].passes) for planted in found]
    costly = [value >= COSTLY for value in cost]
    return FaultSummary(
        fault=fault,
        policy=policy,
        dates=len(found),
        mean_cost=fmean(cost),
        largest_cost=max(cost),
        costly=sum(costly),
        costly_refused=sum(a and b for a, b in zip(costly, refused, strict=True)),
        refused=sum(refused),
        shipped_after=sum(any(done.ships for done in planted.periods[1].passes) for planted in found),
    )
