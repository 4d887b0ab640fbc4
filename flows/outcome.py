"""The result of a run: a table on the terminal, JSON for programs, tables for the run page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from components.contracts import Decision, DriftVerdict, Evaluation, Record
from components.data.notices import later_rows
from components.data.snapshot import read_snapshot_info
from components.errors import ContractError
from components.evaluation.report_data import best_baseline
from components.io import find_record, read_record
from components.release.versioning import StageRun
from flows.workspace import DRIFT, EVALUATION, REPORT, Workspace

CODES = {"promote": 0, "refresh": 0, "keep": 2, "not_enough_evidence": 3}
STATES = {  # verdict, promoted -> how Prefect shows the run
    ("promote", True): "Promoted",
    ("promote", False): "WouldPromote",
    ("refresh", True): "Refreshed",
    ("refresh", False): "WouldRefresh",
    ("keep", False): "Kept",
    ("not_enough_evidence", False): "NotEnoughEvidence",
}
SAME_BUNDLE = "the champion is this bundle: same data, parameters and code"
METRICS = ("ndcg", "recall", "hit_rate", "mrr", "coverage")


@dataclass(frozen=True)
class Pass:
    """The result of one pass over the stages."""

    stages: list[StageRun] = field(default_factory=list)
    version: int | None = None
    decision: Decision | None = None  # None: the champion is this bundle, the gate is off, or see `reason`
    promoted: bool = False
    spent: dict[str, float] = field(default_factory=dict)  # seconds by part, outside the stages
    notes: list[str] = field(default_factory=list)
    reason: str = ""  # why nothing was done

    def followed_by(self, stages: list[StageRun], notes: list[str]) -> Pass:
        """Return the pass with further stages and notes, such as those of applications."""
        return replace(self, stages=[*self.stages, *stages], notes=[*self.notes, *notes])


class RefreshOutcome(Record):
    """The refresh of a recipe that has won, in the same run."""

    verdict: str  # "refresh" or "keep"
    reasons: list[str]
    promoted: bool  # False: the version that the retrain promoted serves
    version: int | None
    stages: list[StageRun]


class Outcome(Record):
    """The result of `carousel retrain` or `carousel refresh`."""

    verdict: str  # "promote", "refresh", "keep", "not_enough_evidence"
    reasons: list[str]
    promoted: bool
    challenger_version: int | None
    champion: int | None  # the version that serves after this run
    report: str  # path of the HTML report
    drifted: bool | None
    seconds: float
    overhead_s: float  # outside the stages' own work, seconds
    overhead: dict[str, float]  # by part, seconds: Prefect, DVC, MLflow and the rest
    stages: list[StageRun]
    notes: list[str]  # what did not change the verdict: warnings, slices with too few users
    refreshed: RefreshOutcome | None = None  # where the retrain promoted a recipe other than a first one

    @property
    def code(self) -> int:
        """Return the exit code."""
        return CODES[self.verdict]


def build_outcome(
    workspace: Workspace, seconds: float, done: Pass, refreshed: Pass | None = None, report: Path = REPORT
) -> Outcome:
    """Return the result of a run of `seconds`; without a decision the champion is this bundle, or the gate is off.

    refreshed: the refresh that followed a promotion; report: path of the report in the workspace.
    """
    decision, after = done.decision, refreshed or Pass()
    parts = overhead(seconds, [*done.stages, *after.stages], add_seconds(done.spent, after.spent))
    drift = find_record(workspace.root / DRIFT, DriftVerdict, "drift")
    why = "gate.mode is disabled" if workspace.params.gate.mode == "disabled" else SAME_BUNDLE
    return Outcome(
        verdict=decision.verdict if decision else "keep",
        reasons=decision.reasons if decision else [done.reason or why],
        promoted=done.promoted,
        challenger_version=done.version,
        champion=workspace.registry().aliases().get("champion"),
        report=str(workspace.root / report),
        drifted=drift.drifted if drift else None,
        seconds=round(seconds, 1),
        overhead_s=round(sum(parts.values()), 1),
        overhead=parts,
        stages=done.stages,
        notes=[*done.notes, *(decision.notes if decision else []), *_snapshot_notes(workspace.root / "data/snapshot")],
        refreshed=refresh_outcome(refreshed) if refreshed else None,
    )


def refresh_outcome(done: Pass) -> RefreshOutcome:
    """Return the result of the refresh after a promotion; without a decision nothing was fitted, or it failed."""
    return RefreshOutcome(
        verdict=done.decision.verdict if done.decision else "keep",
        reasons=done.decision.reasons if done.decision else [done.reason or SAME_BUNDLE],
        promoted=done.promoted,
        version=done.version,
        stages=done.stages,
    )


def add_seconds(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """Return the sum of both by part."""
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def _snapshot_notes(snapshot: Path) -> list[str]:
    return later_rows(read_snapshot_info(snapshot)) if (snapshot / "snapshot.json").exists() else []


def describe(run: StageRun) -> str:
    """Return "ran, N s" or "unchanged"."""
    return f"ran, {run.seconds:.0f} s" if run.ran else "unchanged"


def require_reports(workspace: Workspace) -> None:
    """Raise ContractError unless the reports and the bundle that a decision needs are there."""
    missing = [str(p) for p in (EVALUATION, DRIFT, Path("bundle/manifest.json")) if not (workspace.root / p).exists()]
    if missing:
        raise ContractError(f"nothing to decide on here: {', '.join(missing)} missing; run `carousel retrain` first")


def process_start() -> float:
    """Return when this process started, seconds since 1970; so imports count as run time."""
    import psutil

    return float(psutil.Process().create_time())


def overhead(seconds: float, stages: list[StageRun], spent: dict[str, float]) -> dict[str, float]:
    """Return the time outside the stages' own work by part, seconds."""
    work = sum(s.work_s for s in stages)
    parts = {"DVC and interpreter starts": sum(s.seconds for s in stages) - work, **spent}
    parts["Prefect, imports and the rest"] = seconds - work - sum(parts.values())
    return {name: round(max(0.0, value), 1) for name, value in parts.items()}


def window_label(evaluation: Evaluation) -> str:
    """Return how the window in which the models were compared is called."""
    return "Holdout" if evaluation.purpose == "refresh" else "Test window"


def metrics_table(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return a row per model on the test window, best first: name, role, metrics at the primary metric's k."""
    k = evaluation.primary.rsplit("_", 1)[1]
    names = [f"{m}_at_{k}" for m in METRICS if f"{m}_at_{k}" in next(iter(evaluation.test.values()))]
    ordered = sorted(evaluation.test, key=lambda m: -evaluation.test[m][evaluation.primary])
    roles = {evaluation.challenger: "challenger", "champion": "champion"}
    roles |= dict.fromkeys(evaluation.baselines, "baseline")
    return [
        {
            "model": m,
            "role": roles.get(m, ""),
            **{n.replace("_at_", "@"): f"{evaluation.test[m][n]:.4f}" for n in names},
        }
        for m in ordered
    ]


def differences(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return a row per metric: the challenger's value, and its difference to champion and best simple model."""
    test = evaluation.test
    challenger = test[evaluation.challenger]
    others = [name for name in ("champion", best_baseline(evaluation)) if name in test]
    return [
        {"metric": m, evaluation.challenger: f"{challenger[m]:.4f}"}
        | {f"against {name}": f"{challenger[m] - test[name][m]:+.4f}" for name in others}
        for m in sorted(challenger)
    ]


def show(outcome: Outcome, root: Path) -> None:
    """Print the outcome on standard output: metrics, verdict, reasons, report, time by part."""
    from rich.table import Table

    from flows import terminal

    console = terminal.console(soft_wrap=True)
    file = (root / outcome.report).with_name(EVALUATION.name)
    if file.exists():
        evaluation = read_record(file, Evaluation, "evaluation")
        rows = metrics_table(evaluation)
        label = "simulated shop, " if evaluation.simulated else ""
        first, last = (time[:10] for time in evaluation.window)
        label += "" if evaluation.question == "global_time" else f"decided by {evaluation.question}, "
        title = f"{window_label(evaluation)} {first} to {last}, {label}{evaluation.n_users} users"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for name in rows[0]:
            table.add_column(name, justify="left" if name in ("model", "role") else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)
    ran = [s.name for s in outcome.stages if s.ran]
    console.print(f"\nstages run: {', '.join(ran) or 'none, nothing had changed'}")
    console.print(
        f"verdict:    [bold]{outcome.verdict.replace('_', ' ')}[/bold]{', promoted' if outcome.promoted else ''}"
    )
    for reason in outcome.reasons:
        console.print(f"            {reason}", markup=False)
    if outcome.refreshed is not None:
        shipped = f", version {outcome.refreshed.version} serves" if outcome.refreshed.promoted else ""
        console.print(f"refresh:    [bold]{outcome.refreshed.verdict}[/bold]{shipped}")
        for reason in outcome.refreshed.reasons:
            console.print(f"            {reason}", markup=False)
    console.print(f"champion:   {f'version {outcome.champion}' if outcome.champion else 'none yet'}")
    console.print(f"report:     {outcome.report}")
    for note in outcome.notes:
        console.print(f"note:       {note}", markup=False)
    parts = ", ".join(f"{n} {s:g} s" for n, s in outcome.overhead.items())
    console.print(
        f"time:       {outcome.seconds:.0f} s, of which {outcome.overhead_s:.0f} s outside the stages ({parts})"
    )
