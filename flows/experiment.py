"""`carousel experiment start | status | stop`: an A/B test between champion and challenger on the live service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from components.errors import ContractError, ParamsError
from components.experiments import definition
from components.experiments.decision import ExperimentDecision, decide
from components.experiments.definition import Arm, Experiment, Metric
from components.experiments.outcomes import COVARIATE_DAYS, Outcomes, read_outcomes
from components.experiments.report import draw_differences
from components.io import write_record
from components.times import to_micros

if TYPE_CHECKING:
    from flows.workspace import Workspace


def start(workspace: Workspace, name: str, share: float, metric: Metric, now: datetime) -> Experiment:
    """Start an experiment with `share` of the users, half of them on the challenger. Raises ContractError."""
    registry, section = workspace.registry(), workspace.params.experiments
    found = {role: registry.alias(role) for role in ("champion", "challenger")}
    missing = [role for role, version in found.items() if version is None]
    if missing:
        raise ContractError(f"experiment: no version is under the alias {missing[0]}; run `carousel retrain`")
    versions = {role: version for role, version in found.items() if version is not None}
    if versions["champion"].number == versions["challenger"].number:
        raise ContractError("experiment: champion and challenger are the same version; retrain first")
    experiment = Experiment(
        name=name,
        salt=f"{name}/{workspace.params.seed}",
        arms=[Arm(name=role, role=role, share=share / 2) for role in ("champion", "challenger")],  # type: ignore[arg-type]
        metric=metric,
        window_hours=section.window_hours,
        alpha=section.alpha,
        min_users=section.min_users,
        target_users=section.target_users,
        started=now,
        versions={role: version.number for role, version in versions.items()},
        bundles={role: version.lineage.bundle_digest for role, version in versions.items()},
    )
    definition.start_experiment(workspace.shop / "experiments", experiment)
    return experiment


def status(workspace: Workspace, now: datetime) -> tuple[ExperimentDecision, Path | None]:
    """Return the decision as of now, and its picture (SVG) where there is data. Raises ContractError."""
    folder = workspace.shop / "experiments"
    experiment = _running(folder)
    outcomes = _outcomes(workspace, experiment, now)
    decision, svg = decide(experiment, outcomes, now), draw_differences(experiment, outcomes)
    if not svg:
        return decision, None
    drawn = folder / f"{experiment.name}.svg"
    drawn.write_text(svg, encoding="utf-8")
    return decision, drawn


def stop(workspace: Workspace, now: datetime) -> ExperimentDecision:
    """End the experiment and store its decision, which the gate reads. Raises ContractError."""
    decision, _ = status(workspace, now)
    folder = workspace.shop / "experiments"
    write_record(folder / f"{decision.experiment}.decision.json", decision)
    definition.end_experiment(folder, _running(folder))
    return decision


def show(decision: ExperimentDecision, drawn: Path | None) -> None:
    """Print the verdict, a row per arm, and the picture's path."""
    from flows import terminal

    def signed(x: float | None) -> str:
        return "" if x is None else f"{x:+.4g}"

    rows = [("arm", "version", "users", decision.metric, "difference", "always-valid interval")]
    for arm in decision.arms:
        mean = "" if arm.mean is None else f"{arm.mean:.4g}"
        interval = "" if arm.low is None else f"{signed(arm.low)} and {signed(arm.high)}"
        rows.append((arm.name, str(arm.version), str(arm.users), mean, signed(arm.gain), interval))
    why = "; ".join(decision.reasons)
    terminal.table([("experiment", decision.experiment), ("verdict", decision.verdict), ("", why)])
    terminal.table(rows)
    terminal.table([("waiting", f"{decision.waiting} users whose window is not over"), ("picture", str(drawn or "-"))])


def _running(folder: Path) -> Experiment:
    experiment = definition.read_running(folder)
    if experiment is None:
        raise ContractError("no experiment runs; begin one with `carousel experiment start NAME`")
    return experiment


def _outcomes(workspace: Workspace, experiment: Experiment, now: datetime) -> Outcomes:
    from components.serving.storage.compaction import exposures_lock
    from components.serving.storage.exposure_table import collect_exposures
    from components.serving.storage.open_event_store import open_event_store

    serving = workspace.shop / "serving"
    settings, shop = workspace.settings, workspace.params.release.name
    state = open_event_store(settings.event_store_address, serving, shop, secret=settings.erasure_secret)
    since = experiment.started - timedelta(days=COVARIATE_DAYS)
    try:
        events, exposures = state.read_table(to_micros(since)), serving / "exposures"
        collect_exposures(state, exposures)
        with exposures_lock(exposures):
            return read_outcomes(sorted(exposures.glob("*.parquet")), events, experiment, now)
    finally:
        state.close()


def metric_of(text: str) -> Metric:
    """Return the metric; raises ParamsError for another text."""
    if text not in get_args(Metric):
        raise ParamsError(f"--metric {text[:40]!r}: expected {', '.join(get_args(Metric))}")
    return text  # type: ignore[return-value]


def now() -> datetime:
    """Return the current time (UTC)."""
    return datetime.now(UTC)
