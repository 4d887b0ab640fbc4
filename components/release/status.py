"""The state of the loop: champion, its start and data, last verdict, drift."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import io
from components.contracts import Decision, DriftVerdict, Record
from components.errors import ContractError
from components.monitoring.advice import Advice
from components.params import ReleaseParams
from components.records import Purpose
from components.release import local_database
from components.release.history import SCORED_FILE, Scored
from components.release.unlearning import Waiting, find_waiting
from components.settings import Settings

if TYPE_CHECKING:
    from components.release.records import Version
    from components.release.registry import Registry

DECISION_FIELDS = {"verdict", "question", "reasons", "as_of", "decided_at", "mode"}
HISTORY_FIELDS = {"as_of", "alarms"}
ADVICE = "monitor.json"
ADVICE_FIELDS = {"action", "reasons", "as_of"}
DRIFT_FIELDS = {"drifted", "computable", "reasons", "reference"}


class Status(Record):
    """`carousel status --json`."""

    # version, model, digest, recipe; of a refresh judged_until, learned_until; privacy, where it learned with noise
    champion: dict[str, Any] | None
    since: str | None  # ISO, UTC
    data: dict[str, Any] | None  # as_of, data_version and git revision of the champion
    verdict: dict[str, Any] | None  # of the last decision: DECISION_FIELDS
    drift: dict[str, Any] | None  # last drift verdict: DRIFT_FIELDS
    history: dict[str, Any] | None  # last scoring of what served: HISTORY_FIELDS
    monitor: dict[str, Any] | None  # what the last check asked for: ADVICE_FIELDS
    unlearning: dict[str, Any] | None = None  # forgotten users whom the champion learned from: n_users, due, is_overdue
    disagreement: str | None  # how alias and ledger disagree on what serves, and what to do


def read_status(settings: Settings, release: ReleaseParams) -> Status:
    """Return the state of the loop; None for what does not exist yet. Raises ReleaseError without registry."""
    champion = since = data = disagreement = None
    waiting: Waiting | None = None
    shop = settings.shop(release.name)
    if not local_database.is_missing(settings.tracking_uri) or (shop / "ledger.db").exists():
        from components.release.consistency import find_disagreement
        from components.release.ledger import Ledger
        from components.release.registry import Registry

        registry = Registry(settings, release)
        version = registry.alias("champion")
        disagreement = find_disagreement(Ledger(shop), registry)
        if version is not None:
            origin = version.lineage
            champion = {"version": version.number, "model": origin.model, "digest": origin.bundle_digest}
            champion["recipe"] = _describe_recipe(registry, version) if version.recipe_digest else None
            if version.privacy:
                champion["privacy"] = version.privacy
            data = {"as_of": origin.as_of, "data_version": origin.data_version, "git_revision": origin.git_revision}
            fitted_at = datetime.fromisoformat(version.fitted_at or version.created_at)
            waiting = find_waiting(shop, fitted_at, datetime.now(UTC))
            if version.learned_until:
                champion |= {"judged_until": version.judged_until, "learned_until": version.learned_until}
            since = _iso(Ledger(shop).serving_since(version.number))
    decision, drift, advice = last_decision(shop), last_drift(shop), last_advice(shop)
    scored = last_scored(shop)
    return Status(
        champion=champion,
        since=since,
        data=data,
        verdict=decision.model_dump(include=DECISION_FIELDS) if decision else None,
        drift=drift.model_dump(include=DRIFT_FIELDS) if drift else None,
        history=scored.model_dump(include=HISTORY_FIELDS) if scored else None,
        monitor=advice.model_dump(mode="json", include=ADVICE_FIELDS) if advice else None,
        unlearning=waiting.model_dump(mode="json") if waiting else None,
        disagreement=disagreement,
    )


def _describe_recipe(registry: Registry, version: Version) -> dict[str, Any]:
    """Return digest, code and selection of the version's recipe; the error where this version cannot read it."""
    from components.release.recipe import read_registered

    try:
        recipe = read_registered(registry, version.number)
    except ContractError as error:
        return {"digest": version.recipe_digest, "error": str(error)}
    return {"digest": recipe.digest, "code": recipe.code, **recipe.selection.model_dump(mode="json")}


def store_last(shop: Path, decision: Path | None, drift: Path | None) -> None:
    """Copy the newest decision and drift verdict to the shop's folder: workspaces of deployed runs are removed.

    The newest decision of each purpose is stored, too: after a refresh, that about the recipe is still known.
    """
    for source, name in ((decision, "decision.json"), (drift, "drift.json")):
        if source is not None and source.exists():
            io.write_bytes(shop / name, source.read_bytes())
    stored = last_decision(shop) if decision is not None else None
    if stored is not None:
        io.write_bytes(shop / f"decision-{stored.purpose}.json", (shop / "decision.json").read_bytes())


def last_decision(shop: Path) -> Decision | None:
    """Return the newest decision, or None."""
    return io.find_record(shop / "decision.json", Decision, "decision")


def last_decision_of(shop: Path, purpose: Purpose) -> Decision | None:
    """Return the newest decision of a retrain or of a refresh, or None."""
    found = io.find_record(shop / f"decision-{purpose}.json", Decision, "decision")
    newest = last_decision(shop) if found is None else None  # of a version that stored one decision only
    return newest if newest is not None and newest.purpose == purpose else found


def last_advice(shop: Path) -> Advice | None:
    """Return what the last check asked for, or None."""
    return io.find_record(shop / ADVICE, Advice, "advice")


def last_drift(shop: Path) -> DriftVerdict | None:
    """Return the newest drift verdict, or None."""
    return io.find_record(shop / "drift.json", DriftVerdict, "drift")


def last_scored(shop: Path) -> Scored | None:
    """Return what the last run recorded of the models that served, or None."""
    return io.find_record(shop / SCORED_FILE, Scored, "scored")


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None
