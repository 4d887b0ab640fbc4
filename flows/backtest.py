"""The flow `backtest`: policies of the loop replayed over past dates; nothing is registered, promoted or served."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from components.backtest import replay, report
from components.backtest.engine import Engine
from components.backtest.faults import FAULTS, Plant
from components.backtest.opening import open_engine
from components.backtest.policies import POLICIES, check_policies
from components.backtest.replay import Backtest, FaultReplay, PolicyReplay, Schedule
from components.data.snapshot import read_snapshot_info
from components.errors import BusyError
from components.params.data import parse_time
from components.release.integrity import check_outputs
from flows import artifacts, passes, terminal
from flows.tasks import call_task, in_flow_run
from flows.workspace import locked_workspace

STAGES = ("resolve", "ingest")  # the snapshot that is cut at each date
OUT = Path("reports/backtest")
DEFAULT = ("never", "superiority", "refresh", "newest")
Policies = Annotated[list[Literal[*POLICIES]], Field(min_length=1)]


@flow(name="backtest", flow_run_name="backtest")
def backtest(
    start: datetime,
    end: datetime,
    every: str = "7d",
    policies: Policies | None = None,
    plants: list[str] | None = None,
    overrides: list[str] | None = None,
    overlays: list[str] | None = None,
) -> Any:
    """Replay policies as of each date; write reports/backtest. Return the tables as a dict.

    Args:
        start: First date as of which the loop decides.
        end: End of the last period; the snapshot is taken as of this time.
        every: Days between two dates, such as 7d or 1d, or month.
        policies: Policies to replay; empty: never, superiority, refresh and newest.
        plants: Faults to plant, FAULT or FAULT@DATE; without a date, as of each date in a replay of its own.
        overrides: Further values, such as evaluation.candidates=[ease].
        overlays: Overlay files, such as examples/online_retail/params.yaml.
    """
    chosen = check_policies(list(policies or DEFAULT))
    planted = [Plant.parse(text) for text in plants or []]
    first, last = parse_time(start), parse_time(end)
    schedule = Schedule.of(first, last, every)
    try:
        with locked_workspace(
            overlays or [], overrides or [], last, "a backtest", *passes.deployed_run_info()
        ) as workspace:
            passes.run_stages(workspace, STAGES)
            check_outputs(workspace.root, "data/snapshot")
            settings, snapshot = workspace.settings, workspace.root / "data/snapshot"
            engine = open_engine(snapshot, workspace.params, workspace.shop, settings.home / "embeddings")
    except BusyError as busy:
        return passes.cancel_when_busy(busy)
    result = _replay_all(engine, schedule, chosen, planted)
    report.write_report(workspace.root / OUT, result)
    return _completed(workspace.root / OUT, result)


@task(task_run_name="{name}", cache_policy=NO_CACHE)
def replay_policy(engine: Engine, schedule: Schedule, name: str) -> PolicyReplay:
    """Replay one policy over all periods."""
    return replay.replay(engine, schedule, name, POLICIES[name])


@task(task_run_name="{sound.policy}: {plant}", cache_policy=NO_CACHE)
def replay_plant(engine: Engine, schedule: Schedule, sound: PolicyReplay, plant: Plant) -> list[FaultReplay]:
    """Replay one policy from its sound states, with a fault as of one date or of each."""
    return list(replay.replay_fault(engine, schedule, sound, POLICIES[sound.policy], plant))


def _replay_all(engine: Engine, schedule: Schedule, chosen: list[str], planted: list[Plant]) -> Backtest:
    """Return the replay of each policy, and of each fault under it."""
    progress = artifacts.StageProgress(len(chosen) * (1 + len(planted)))
    replays, found = list[PolicyReplay](), list[FaultReplay]()
    for name in chosen:
        replays.append(call_task(replay_policy, engine, schedule, name))
        progress.advance()
        for plant in planted:
            found += call_task(replay_plant, engine, schedule, replays[-1], plant)
            progress.advance()
    return Backtest(
        metric=engine.params.evaluation.primary,
        simulated=read_snapshot_info(engine.snapshot).simulated,
        candidates=list(engine.params.evaluation.candidates),
        policies={name: POLICIES[name].meaning for name in chosen},
        replays=replays,
        faults={plant.fault: FAULTS[plant.fault].meaning for plant in planted},
        planted=found,
    )


def show(done: dict[str, Any]) -> None:
    """Print the tables of a backtest on standard output."""
    for rows in (done["policies"], done["faults"]):
        if rows:
            terminal.table([tuple(rows[0]), *(tuple(row.values()) for row in rows)])
    terminal.table([("report", done["report"])])


def _completed(out: Path, result: Backtest) -> Any:
    """Return the tables as a dict; in a flow run, also put them on the run page."""
    content = {"policies": report.policy_table(result), "faults": report.fault_table(result)}
    if in_flow_run():
        for key, rows in content.items():
            if rows:
                create_table_artifact(rows, key=f"backtest-{key}", description=f"Backtest: {key}")
        create_link_artifact((out / "report.html").resolve().as_uri(), key="backtest-report", link_text="report.html")
    return {**content, "report": str(out / "report.html")}
