"""Thin Prefect tasks: a name, retries, a timeout, one call into components."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.states import Completed

from components import params
from components.applications import publish
from components.applications.record import APPLICATIONS, ApplicationRecord
from components.contracts import ChampionRef, Decision, DriftVerdict, Evaluation
from components.data import tables
from components.errors import BusyError, ReleaseError, StageError, StaleDecisionError, TamperedError
from components.experiments.decision import losing_experiment
from components.io import parse_record, read_record, sha256_bytes
from components.monitoring.data_checks import DATA_CHECKS, DataChecks
from components.release import champion, doctor, latency, outcomes, promotion, recipe, status, verdict, versioning
from components.release.authenticity import check_evaluation, record_decision
from components.release.bundle import BundleInfo, open_bundle
from components.release.contest import Contenders, Measurements
from components.release.history import Scored
from components.release.integrity import check_outputs
from components.release.ledger import Ledger
from components.release.runs import RunFiles
from components.release.versioning import StageRun
from components.stages.resolve import resolve
from flows import unchanged
from flows.workspace import DECISION, DRIFT, EVALUATION, Workspace

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
RUN_DRIFT, RUN_PACKAGE = "run the stage `drift` again", "run the stage `package` again"
RESOLVE = "resolve"  # always runs, never cached
FINAL_ERRORS = (BusyError, StageError, StaleDecisionError, TamperedError)  # a retry would give the same error


def call_task(what: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Call the task as a task inside a flow run, else as the plain function that it wraps."""
    return unwrap(what(*args, **kwargs)) if in_flow_run() else what.fn(*args, **kwargs)


def unwrap(result: Any) -> Any:
    """Return the value of a task or flow that may have returned it inside a named State."""
    return result.result() if isinstance(result, State) else result


def in_flow_run() -> bool:
    """Return whether this code runs inside a Prefect flow run."""
    return FlowRunContext.get() is not None


def is_transient(_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry may help: a killed process, a registry that did not answer."""
    try:
        state.result()
    except ReleaseError as error:
        if not isinstance(error, FINAL_ERRORS):
            log.warning("%s: %s", run.name, error)
            return True
    except OSError:
        return True
    except Exception as error:
        log.debug("%s is not tried again: %s", run.name, error)
    return False


def with_retries(what: Task[P, R], workspace: Workspace) -> Task[P, R]:
    """Return the task with the retries of params.flows, for transient errors."""
    bounds = workspace.params.flows
    return what.with_options(
        retries=bounds.retries, retry_delay_seconds=bounds.retry_delay_s, retry_condition_fn=is_transient
    )


@task(cache_policy=NO_CACHE)
def check_ready(workspace: Workspace) -> None:
    """Raise what `carousel doctor` refuses, before the first stage; close a promotion whose process died."""
    merged = {"params": "", "overrides": "", "data_root": Path(workspace.env["CAROUSEL_DATA_ROOT"])}
    settings = workspace.settings.model_copy(update=merged)  # the workspace has the environment's layers already
    doctor.require_ready(workspace.root, settings, workspace.overlays, workspace.overrides)
    promotion.recover(workspace.registry(), workspace.settings)


@task(task_run_name="{name}", cache_policy=NO_CACHE)
def run_stage(workspace: Workspace, name: str, check: bool = True) -> Any:
    """Bring one DVC stage up to date; return its StageRun, in a state named Cached where it did not run.

    check: it may be unchanged, which is found out first without a process.
    """
    if name == RESOLVE:
        return resolve_params(workspace)
    timeout_s = workspace.params.flows.stage_timeout_s
    done = versioning.reproduce_stage(workspace.root, name, timeout_s, workspace.env, check)
    if done.ran or not in_flow_run():
        return done
    return Completed(name="Cached", message="DVC has its outputs: nothing it depends on has changed", data=done)


def resolve_params(workspace: Workspace) -> StageRun:
    """Run the stage `resolve` in this process, which saves starting two interpreters (about 1 s)."""
    started = time.monotonic()
    data_root = Path(workspace.env["CAROUSEL_DATA_ROOT"])
    resolve(workspace.root, workspace.overlays, workspace.overrides, data_root, workspace.champion)
    return StageRun(name=RESOLVE, ran=False, seconds=round(time.monotonic() - started, 3), work_s=0.0)


@task(cache_policy=NO_CACHE)
def sync_champion(workspace: Workspace) -> ChampionRef | None:
    """Fetch the serving champion into champion/, unless it was built here and no stage that reads it has changed."""
    own = champion.find_own_champion(workspace.root, workspace.registry())
    if own is not None and not versioning.is_changed(workspace.root, *champion.CHAMPION_STAGES):
        return own
    return champion.sync_champion(workspace.root, workspace.registry())


@task(cache_policy=NO_CACHE)
def fetch_champion(workspace: Workspace) -> ChampionRef | None:
    """Fetch the serving champion into champion/; return None where nothing serves."""
    return champion.sync_champion(workspace.root, workspace.registry())


@task(cache_policy=NO_CACHE)
def score_served(workspace: Workspace) -> Scored:
    """Score what has served on what happened since, and keep it in the ledger."""
    return outcomes.score_served(workspace.root, workspace.registry(), workspace.params)


@task(cache_policy=NO_CACHE)
def register(workspace: Workspace) -> int:
    """Register the bundle as challenger; a bundle that is registered already keeps its version."""
    root = workspace.root
    check_outputs(root, "bundle", "reports/evaluate", "reports/drift")
    (root / DECISION).unlink(missing_ok=True)  # left by an earlier run; not part of this version's record
    digest = champion.bundle_digest(root / "bundle") or ""
    check_evaluation(root, digest, workspace.registry())
    evaluation = read_record(root / EVALUATION, Evaluation, "evaluation")
    lineage = versioning.read_lineage(root, digest, evaluation.as_of, evaluation.challenger)
    metrics = {
        f"{file.parent.name}/{name}": value
        for file in sorted((root / "reports").glob("*/metrics.json"))
        if file.parent.name not in APPLICATIONS  # they run after the model is judged: these are of an earlier run
        for name, value in json.loads(file.read_bytes()).items()
    }
    registry = workspace.registry()
    files = RunFiles(metrics, root / "reports", root / "run/params.yaml", root / "dvc.lock", evaluation.primary)
    version = registry.register(root / "bundle", lineage, files)
    made_with = params.load(root / "run/params.yaml")
    if workspace.tuned and (made_with.models, made_with.trainer) == (workspace.params.models, workspace.params.trainer):
        registry.tag(version, "tuned", "\n".join(workspace.tuned))
    return version


@task(cache_policy=NO_CACHE)
def measure_latency(workspace: Workspace) -> float:
    """Return p99 of one user's recommendation from the bundle, milliseconds."""
    return latency.measure_latency(
        open_bundle(workspace.root / "bundle"), tables.read_users(workspace.root / "data/split", "test")
    )


@task(cache_policy=NO_CACHE)
def decide(workspace: Workspace, version: int, latency_ms: float, bootstrap: bool) -> Decision:
    """Decide; write the decision to reports/decision.json and attach it to the version in the registry."""
    root, registry = workspace.root, workspace.registry()
    content = (root / EVALUATION).read_bytes()
    serving, challenger = registry.alias("champion"), registry.ref(version)
    measured = Measurements(
        evaluation=parse_record(content, Evaluation, "evaluation", EVALUATION),
        evaluation_digest=sha256_bytes(content),
        per_user=root / "reports/evaluate/per_user.parquet",
        drift=read_record(root / DRIFT, DriftVerdict, "drift"),
        latency_ms=latency_ms,
        data_checks=read_record(root / DRIFT.parent / DATA_CHECKS, DataChecks, "data_checks", RUN_DRIFT).checks,
        completion=read_record(root / "bundle/info.json", BundleInfo, "bundle_info", RUN_PACKAGE).completion,
    )
    contenders = Contenders(
        challenger=challenger,
        champion=registry.ref(serving.number) if serving else None,
        rolled_back=Ledger(workspace.shop).rollback_time(challenger.digest),
        losing_experiment=losing_experiment(workspace.shop / "experiments", challenger.digest),
        same_recipe=serving is not None and recipe.have_same(registry, version, serving.number),
    )
    now = datetime.now(UTC)
    decision = verdict.decide(measured, contenders, workspace.params, registry, bootstrap, now)
    decision = record_decision(decision, root / DECISION, registry, workspace.settings)
    registry.describe(version, decision, measured.evaluation)
    unchanged.write_stamp(root)
    status.store_last(workspace.shop, root / DECISION, root / DRIFT)
    return decision


@task(cache_policy=NO_CACHE)
def promote(workspace: Workspace) -> int:
    """Move the champion alias by the decision file; return the version that serves now."""
    return promotion.promote(workspace.root / DECISION, workspace.registry(), workspace.settings).version


@task(task_run_name="publish {name}", cache_policy=NO_CACHE)
def publish_application(workspace: Workspace, name: str) -> ApplicationRecord:
    """Give what the application ships to the service; return its record."""
    return publish.publish(workspace.root, name, workspace.shop)


@task(cache_policy=NO_CACHE)
def push(workspace: Workspace) -> str:
    """Send data and run cache to the DVC remote; return the error, or "". A failure does not fail the run."""
    try:
        count = versioning.push(workspace.root)
    except ReleaseError as error:
        log.warning("the data were not sent to the DVC remote: %s", error)
        return f"not sent to the DVC remote, `dvc push` later: {error}"
    log.info("%d files sent to the DVC remote", count)
    return ""
