"""Thin tasks: a name, retries, a timeout, one call into components."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

from components.release.bundle import open_bundle
from components.release.promotion import promote as promote_decision
from components.release.versioning import StageRun
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.contracts import ChampionRef, Decision, DriftVerdict, Evaluation
from components.data import tables
from components.release import champion, gate, latency, status, versioning
from flows.outcome import checks_markdown, metrics_table
from flows.place import DECISION, DRIFT, EVALUATION, Place


@task(task_run_name="{name}")
def run_stage(place: Place, name: str) -> StageRun:
    """Bring one DVC stage up to date."""
    return versioning.reproduce_stage(place.root, name, place.params.flows.stage_timeout_s, place.env)


@task
def sync_champion(place: Place) -> ChampionRef | None:
    """Put the serving champion into champion/, unless nothing has changed since it was made here."""
    own = champion.serving_here(place.root, place.registry())
    if own is not None and not any(versioning.is_changed(place.root, stage) for stage in champion.COMPARING):
        return own
    return champion.sync_champion(place.root, place.registry())


@task
def register(place: Place) -> int:
    """Register the bundle as challenger; a bundle that is registered already keeps its version."""
    root = place.root
    digest = champion.digest_of(root / "bundle") or ""
    evaluation = Evaluation.model_validate_json((root / EVALUATION).read_bytes())
    lineage = versioning.lineage(root, digest, evaluation.as_of, evaluation.challenger)
    metrics = {
        f"{file.parent.name}/{name}": value
        for file in sorted((root / "reports").glob("*/metrics.json"))
        for name, value in json.loads(file.read_bytes()).items()
    }
    return place.registry().register(
        root / "bundle", lineage, metrics, root / "reports", root / "run/params.yaml", root / "dvc.lock"
    )


@task
def decide(place: Place, version: int, bootstrap: bool) -> Decision:
    """Take the verdict and write it to reports/decision.json."""
    root, registry = place.root, place.registry()
    content = (root / EVALUATION).read_bytes()
    evaluation = Evaluation.model_validate_json(content)
    bundle = open_bundle(root / "bundle")
    serving = registry.alias("champion")
    decision = gate.decide(
        evaluation,
        root / "reports/evaluate/per_user.parquet",
        DriftVerdict.model_validate_json((root / DRIFT).read_bytes()),
        ChampionRef(version=version, digest=bundle.digest, model=evaluation.challenger),
        registry.ref(serving.number) if serving else None,
        latency.measure_latency(bundle, tables.read_users(root / "data/split", "test")),
        place.params,
        bootstrap,
        datetime.now(UTC),
        sha256(content).hexdigest(),
    )
    (root / DECISION).write_text(decision.model_dump_json(indent=1) + "\n", encoding="utf-8")
    status.keep_last(place.settings.home, root / DECISION, root / DRIFT)
    return decision


@task
def promote(place: Place) -> int:
    """Move the champion alias by the decision file; return the version that serves now."""
    return promote_decision(place.root / DECISION, place.registry(), place.settings).version


@task
def publish(place: Place, decision: Decision | None) -> None:
    """Put verdict, metrics and links on the run page."""
    evaluation = Evaluation.model_validate_json((place.root / EVALUATION).read_bytes())
    if decision is not None:
        create_markdown_artifact(checks_markdown(decision), key="verdict", description="Why, check by check")
    create_table_artifact(metrics_table(evaluation), key="metrics", description="Test window, best first")
    links = {"report": "reports/evaluate/report.html", "drift": "reports/drift/drift.html", "curves": "run/tensorboard"}
    for key, path in links.items():
        create_link_artifact((place.root / path).resolve().as_uri(), key=key, link_text=path)
