"""Thin tasks: a name, retries, a timeout, one call into components."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.states import Completed

from components import params
from components.contracts import ChampionRef, Decision, DriftVerdict, Evaluation
from components.data import tables
from components.errors import BusyError, ReleaseError, StageError, StaleDecisionError, TamperedError
from components.experiments.definition import lost
from components.release import champion, gate, latency, promotion, status, versioning
from components.release.bundle import open_bundle
from components.release.ledger import Ledger
from components.release.versioning import StageRun
from components.stages.resolve import resolve
from flows import unchanged
from flows.workspace import DECISION, DRIFT, EVALUATION, Place

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
ALWAYS = "resolve"  # the stage that runs each time, and that no cache holds
SETTLED = (BusyError, StageError, StaleDecisionError, TamperedError)  # a second try would say the same


def step(what: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Any:
    """Call the task: as a task in a run that Prefect records, as the plain function that it is in any other."""
    return value(what(*args, **kwargs)) if recorded() else what.fn(*args, **kwargs)


def value(came: Any) -> Any:
    """Return what a task or flow returned, out of the state that it gave itself a name by."""
    return came.result() if isinstance(came, State) else came


def recorded() -> bool:
    """Return whether Prefect records this run."""
    return FlowRunContext.get() is not None


def may_pass(_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether a second try may help: a process that was killed, a registry that did not answer."""
    try:
        state.result()
    except ReleaseError as error:
        if not isinstance(error, SETTLED):
            log.warning("%s: %s", run.name, error)
            return True
    except OSError:
        return True
    except Exception as error:
        log.debug("%s is not tried again: %s", run.name, error)
    return False


def bounded(what: Task[P, R], place: Place) -> Task[P, R]:
    """Return the task with the retries of params.flows, for faults that may pass."""
    bounds = place.params.flows
    return what.with_options(
        retries=bounds.retries, retry_delay_seconds=bounds.retry_delay_s, retry_condition_fn=may_pass
    )


@task(task_run_name="{name}", cache_policy=NO_CACHE)
def run_stage(place: Place, name: str) -> Any:
    """Bring one DVC stage up to date; return its StageRun, under a state of the name Cached where it did not run."""
    if name == ALWAYS:
        return resolved(place)
    done = versioning.reproduce_stage(place.root, name, place.params.flows.stage_timeout_s, place.env)
    if done.ran or not recorded():
        return done
    return Completed(name="Cached", message="DVC has its outputs: nothing it depends on has changed", data=done)


def resolved(place: Place) -> StageRun:
    """Write run/params.yaml and what the sources look like, in this process: two interpreters would cost a second."""
    started = time.monotonic()
    resolve(place.root, place.overlays, place.overrides, Path(place.env["CAROUSEL_DATA_ROOT"]))
    return StageRun(name=ALWAYS, ran=False, seconds=round(time.monotonic() - started, 3), work_s=0.0)


@task(cache_policy=NO_CACHE)
def sync_champion(place: Place) -> ChampionRef | None:
    """Put the serving champion into champion/, unless nothing has changed since it was made here."""
    own = champion.serving_here(place.root, place.registry())
    if own is not None and not any(versioning.is_changed(place.root, stage) for stage in champion.COMPARING):
        return own
    return champion.sync_champion(place.root, place.registry())


@task(cache_policy=NO_CACHE)
def register(place: Place) -> int:
    """Register the bundle as challenger; a bundle that is registered already keeps its version."""
    root = place.root
    (root / DECISION).unlink(missing_ok=True)  # the one before this: not a part of this version's record
    digest = champion.digest_of(root / "bundle") or ""
    evaluation = Evaluation.model_validate_json((root / EVALUATION).read_bytes())
    lineage = versioning.lineage(root, digest, evaluation.as_of, evaluation.challenger)
    metrics = {
        f"{file.parent.name}/{name}": value
        for file in sorted((root / "reports").glob("*/metrics.json"))
        for name, value in json.loads(file.read_bytes()).items()
    }
    registry = place.registry()
    version = registry.register(
        root / "bundle", lineage, metrics, root / "reports", root / "run/params.yaml", root / "dvc.lock"
    )
    made_with = params.load(root / "run/params.yaml")
    if place.tuned and (made_with.models, made_with.trainer) == (place.params.models, place.params.trainer):
        registry.tag(version, "tuned", "\n".join(place.tuned))
    return version


@task(cache_policy=NO_CACHE)
def measure_latency(place: Place) -> float:
    """Return the 99th percentile of one user's list from the bundle, milliseconds."""
    return latency.measure_latency(
        open_bundle(place.root / "bundle"), tables.read_users(place.root / "data/split", "test")
    )


@task(cache_policy=NO_CACHE)
def decide(place: Place, version: int, latency_ms: float, bootstrap: bool) -> Decision:
    """Take the verdict, write it to reports/decision.json and beside the version in the registry."""
    root, registry = place.root, place.registry()
    content = (root / EVALUATION).read_bytes()
    serving, challenger = registry.alias("champion"), registry.ref(version)
    decision = gate.decide(
        Evaluation.model_validate_json(content),
        root / "reports/evaluate/per_user.parquet",
        DriftVerdict.model_validate_json((root / DRIFT).read_bytes()),
        challenger,
        registry.ref(serving.number) if serving else None,
        Ledger(place.shop).rolled_back(challenger.digest),
        latency_ms,
        place.params,
        bootstrap,
        datetime.now(UTC),
        sha256(content).hexdigest(),
        lost(place.shop / "experiments", challenger.digest),
    )
    (root / DECISION).write_text(decision.model_dump_json(indent=1) + "\n", encoding="utf-8")
    unchanged.stamp(root)
    registry.attach(version, root / DECISION)
    status.keep_last(place.shop, root / DECISION, root / DRIFT)
    return decision


@task(cache_policy=NO_CACHE)
def promote(place: Place) -> int:
    """Move the champion alias by the decision file; return the version that serves now."""
    return promotion.promote(place.root / DECISION, place.registry(), place.settings).version


@task(cache_policy=NO_CACHE)
def push(place: Place) -> str:
    """Send data and run cache to the DVC remote; return what went wrong, or "". A model does not wait for it."""
    try:
        count = versioning.push(place.root)
    except ReleaseError as error:
        log.warning("the data were not sent to the DVC remote: %s", error)
        return f"not sent to the DVC remote, `dvc push` later: {error}"
    log.info("%d files sent to the DVC remote", count)
    return ""
