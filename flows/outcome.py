"""What a run came to: for people on a terminal, for programs as JSON, for the run page as Markdown."""

from __future__ import annotations

from pathlib import Path

from components.contracts import Decision, DriftVerdict, Evaluation, Record
from components.errors import ContractError
from components.release.versioning import StageRun
from flows.workspace import DRIFT, EVALUATION, REPORT, Place

CODES = {"promote": 0, "keep": 2, "not_enough_evidence": 3}
STATES = {  # verdict, promoted -> how Prefect shows the run
    ("promote", True): "Promoted",
    ("promote", False): "WouldPromote",
    ("keep", False): "Kept",
    ("not_enough_evidence", False): "NotEnoughEvidence",
}
SAME = "the champion is this very bundle: the same data, parameters and code made it"
METRICS = ("ndcg", "recall", "hit_rate", "mrr", "coverage")


class Outcome(Record):
    """The end of `carousel retrain`."""

    verdict: str  # "promote", "keep", "not_enough_evidence"
    reasons: list[str]
    promoted: bool
    challenger_version: int | None
    champion: int | None  # the version that serves after this run
    report: str  # path of the HTML report
    drifted: bool | None
    seconds: float
    overhead_s: float  # outside the stages' own work
    overhead: dict[str, float]  # its parts: Prefect, DVC, MLflow and the rest
    stages: list[StageRun]
    notes: list[str]  # what went wrong without changing the verdict

    @property
    def code(self) -> int:
        """Return the exit code."""
        return CODES[self.verdict]


def outcome(
    place: Place,
    seconds: float,
    stages: list[StageRun],
    version: int | None,
    decision: Decision | None,
    promoted: bool,
    spent: dict[str, float],
    notes: list[str],
) -> Outcome:
    """Return what a run of `seconds` came to; no decision: the champion was this very bundle, or the gate is off."""
    parts = overhead(seconds, stages, spent)
    serving = place.registry().alias("champion")
    drift = place.root / DRIFT
    why = "gate.mode is disabled" if place.params.gate.mode == "disabled" else SAME
    return Outcome(
        verdict=decision.verdict if decision else "keep",
        reasons=decision.reasons if decision else [why],
        promoted=promoted,
        challenger_version=version,
        champion=serving.number if serving else None,
        report=str(place.root / REPORT),
        drifted=DriftVerdict.model_validate_json(drift.read_bytes()).drifted if drift.exists() else None,
        seconds=round(seconds, 1),
        overhead_s=round(sum(parts.values()), 1),
        overhead=parts,
        stages=stages,
        notes=notes,
    )


def told(run: StageRun) -> str:
    """Return what became of a stage, in a few words."""
    return f"ran, {run.seconds:.0f} s" if run.ran else "unchanged"


def need(place: Place) -> None:
    """Raise ContractError unless the place holds what a verdict is taken on."""
    missing = [str(p) for p in (EVALUATION, DRIFT, Path("bundle/manifest.json")) if not (place.root / p).exists()]
    if missing:
        raise ContractError(f"nothing to decide on here: {', '.join(missing)} missing; run `carousel retrain` first")


def process_start() -> float:
    """Return when this process began, seconds since 1970: imports count, too."""
    import psutil

    return float(psutil.Process().create_time())


def overhead(seconds: float, stages: list[StageRun], spent: dict[str, float]) -> dict[str, float]:
    """Return where the time outside the stages' own work went, by part, seconds."""
    work = sum(s.work_s for s in stages)
    parts = {"DVC and interpreter starts": sum(s.seconds for s in stages) - work, **spent}
    parts["Prefect, imports and the rest"] = seconds - work - sum(parts.values())
    return {name: round(max(0.0, value), 1) for name, value in parts.items()}


def metrics_table(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return a row for each model on the test window, best first: name and the metrics at the primary metric's k."""
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
    """Return a row for each metric: the challenger, and how far it is from the champion and from each baseline."""
    test = evaluation.test
    own = test[evaluation.challenger]
    others = [name for name in ("champion", *evaluation.baselines) if name in test]
    return [
        {"metric": m, evaluation.challenger: f"{own[m]:.4f}"}
        | {f"against {name}": f"{own[m] - test[name][m]:+.4f}" for name in others}
        for m in sorted(own)
    ]


def show(outcome: Outcome, root: Path) -> None:
    """Print the outcome on standard output: verdict, reasons, metrics, where to look, where the time went."""
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    file = root / EVALUATION
    if file.exists():
        evaluation = Evaluation.model_validate_json(file.read_bytes())
        rows = metrics_table(evaluation)
        label = "simulated shop, " if evaluation.simulated else ""
        title = (
            f"Test window {evaluation.window[0][:10]} to {evaluation.window[1][:10]}, {label}{evaluation.n_users} users"
        )
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
    console.print(f"champion:   {f'version {outcome.champion}' if outcome.champion else 'none yet'}")
    console.print(f"report:     {outcome.report}")
    for note in outcome.notes:
        console.print(f"note:       {note}", markup=False)
    parts = ", ".join(f"{n} {s:g} s" for n, s in outcome.overhead.items())
    console.print(
        f"time:       {outcome.seconds:.0f} s, of which {outcome.overhead_s:.0f} s outside the stages ({parts})"
    )
