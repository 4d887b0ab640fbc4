"""Promotion and rollback: one at a time, checked against the registry and the ledger, resumable after a crash.

lock -> recover what was interrupted -> check -> intent -> fetch, verify and smoke-test the bundle -> aliases -> done.
The ledger's intent and the alias together show how far a promotion got: the next call completes or abandons it.
"""

import logging
import math
import shutil
from datetime import UTC, datetime
from pathlib import Path

from components import io
from components.contracts import ChampionRef, Decision
from components.errors import ContractError, ReleaseError, StaleDecisionError, TamperedError
from components.faults import crash_point
from components.release.authenticity import check_decision
from components.release.bundle import open_bundle
from components.release.consistency import find_disagreement
from components.release.gate import required_checks
from components.release.launch import Launch, launch_of_promotion, launch_of_rollback
from components.release.ledger import Action, Deployment, Ledger
from components.release.lock import exclusive_lock
from components.release.registry import Registry, Version
from components.release.smoke_test import smoke_test, wait_until_serving
from components.settings import Settings

log = logging.getLogger(__name__)
SHIPS = {"retrain": "promote", "refresh": "refresh"}  # purpose -> the verdict with which the challenger serves
LOCK_S = 120.0  # longest wait for another promotion: it fetches and checks a bundle


def promote(decision_file: Path, registry: Registry, settings: Settings) -> Deployment:
    """Promote the challenger of the decision; return the deployment. The same decision again changes nothing.

    Raises StaleDecisionError when another champion serves than the one compared, TamperedError for another bundle than
    the one that was evaluated, or a decision that is not the one in the registry; ReleaseError for any other reason.
    The champion that serves is then unchanged.
    """
    decision, digest = read_decision(decision_file)
    with exclusive_lock(settings.home / "promotion.lock", "a promotion", LOCK_S):
        crash_point("promote:locked")
        ledger = Ledger(settings.shop(registry.name))
        recover_interrupted(ledger, registry)
        current = registry.alias("champion")
        last = ledger.serving_stack()[-1:]
        if last and last[0].decision_digest == digest and current and current.number == last[0].version:
            return last[0]
        challenger = _check_challenger(decision, decision_file, current, ledger, registry)
        check_decision(decision, digest, challenger, registry, settings)
        previous = current.number if current else None
        launch = launch_of_promotion(decision, datetime.now(UTC))
        return _deploy("promote", challenger, previous, digest, launch, ledger, registry, settings)


def rollback(registry: Registry, settings: Settings, to: int | None = None) -> Deployment:
    """Restore the version that served before the champion, by the ledger, or the version `to`, which must have served.

    A second rollback goes further back. Versions that are no longer in the registry are skipped.
    Raises ReleaseError when there is nothing to go back to.
    """
    with exclusive_lock(settings.home / "promotion.lock", "a rollback", LOCK_S):
        crash_point("rollback:locked")
        ledger = Ledger(settings.shop(registry.name))
        recover_interrupted(ledger, registry)
        current = registry.alias("champion")
        chain = _keep_registered(ledger.serving_stack(), registry)
        number = current.number if current else None
        served = _keep_registered([d for d in ledger.deployments() if d.state == "done"], registry)
        target = _choose_target(chain, number, to, served)
        at = next((i for i in reversed(range(len(chain))) if chain[i].version == target), len(chain))
        previous = chain[at - 1].version if at else None
        earlier = [(d.at, d.launch) for d in ledger.deployments() if d.state == "done"]
        launch = launch_of_rollback(earlier, datetime.now(UTC))
        return _deploy("rollback", registry.version(target), previous, None, launch, ledger, registry, settings)


def replace_champion(number: int, base: ChampionRef, registry: Registry, settings: Settings) -> Deployment:
    """Let a version serve that is the champion `base` without users who were forgotten; return the deployment.

    No gate decides: recipe and products are those of the champion. Raises StaleDecisionError when another one serves.
    """
    with exclusive_lock(settings.home / "promotion.lock", "a deletion", LOCK_S):
        ledger = Ledger(settings.shop(registry.name))
        recover_interrupted(ledger, registry)
        serving = registry.serving()
        if serving != base:
            raise StaleDecisionError(f"version {base.version} no longer serves; run `carousel forget` again")
        earlier = [(d.at, d.launch) for d in ledger.deployments() if d.state == "done"]
        launch = launch_of_rollback(earlier, datetime.now(UTC)).model_copy(update={"is_refresh": True})
        target = registry.version(number)
        return _deploy("promote", target, base.version, None, launch, ledger, registry, settings)


def recover(registry: Registry, settings: Settings) -> None:
    """Close a promotion or rollback whose process died, if there is one, so that the ledger says what serves."""
    ledger = Ledger(settings.shop(registry.name))
    if ledger.open_intent() is None:
        return
    with exclusive_lock(settings.home / "promotion.lock", "a recovery", LOCK_S):
        recover_interrupted(ledger, registry)


def recover_interrupted(ledger: Ledger, registry: Registry) -> None:
    """Close a deployment whose process died: as done if the champion alias has moved, else as abandoned."""
    intent = ledger.open_intent()
    if intent is None:
        return
    current = registry.alias("champion")
    if current and (current.number, current.lineage.bundle_digest) == (intent.version, intent.digest):
        _point_previous(registry, intent.previous)
        ledger.close(intent, "done", "completed by the next call: the process died after the alias had moved")
    else:
        chain = _keep_registered(ledger.serving_stack(), registry)
        _point_previous(registry, chain[-2].version if len(chain) > 1 else None)
        ledger.close(intent, "abandoned", "abandoned by the next call: the process died before the alias moved")
    log.warning("deployment %d was interrupted; it is closed now", intent.number)


def read_decision(file: Path) -> tuple[Decision, str]:
    """Return the decision and the sha256 of its bytes; raises ReleaseError when it is no decision."""
    try:
        content = file.read_bytes()
        decision = io.parse_record(content, Decision, "decision", file.name, "run `carousel decide` again")
        return decision, io.sha256_bytes(content)
    except OSError as error:
        raise ReleaseError(f"decision {file.name}: {error.strerror}; run `carousel decide` first") from None
    except ContractError as error:
        raise ReleaseError(f"decision {file.name} is not a decision file: {error}") from None


def _check_challenger(
    decision: Decision, file: Path, current: Version | None, ledger: Ledger, registry: Registry
) -> Version:
    """Return the challenger; raises ReleaseError with the reason if it must not serve."""
    if decision.verdict != SHIPS[decision.purpose]:
        raise ReleaseError(f"the verdict is {decision.verdict}: {'; '.join(decision.reasons)}")
    if decision.mode != "enabled":
        raise ReleaseError(f"gate.mode was {decision.mode} when the decision was made; decide again with `enabled`")
    _check_numbers(decision)
    _check_current(decision, current, ledger, registry)
    challenger = registry.version(decision.challenger_version)
    if challenger.lineage.bundle_digest != decision.challenger_digest:
        raise TamperedError(
            f"version {challenger.number} has bundle {challenger.lineage.bundle_digest}, the decision was about "
            f"{decision.challenger_digest}; decide again"
        )
    rolled_back = ledger.rollback_time(decision.challenger_digest)
    if rolled_back is not None:
        raise ReleaseError(
            f"version {challenger.number} was rolled back at {rolled_back.isoformat()}; to let it serve again, "
            f"`carousel rollback --to {challenger.number}`"
        )
    evaluation = file.parent / "evaluate/evaluation.json"
    known = {challenger.evaluation_digest} if challenger.evaluation_digest else set()
    if evaluation.exists():
        known.add(io.sha256_file(evaluation))
    if known - {decision.evaluation_digest}:
        raise StaleDecisionError("the evaluation is not the one that the decision was made on; decide again")
    return challenger


def _check_numbers(decision: Decision) -> None:
    """Raise ReleaseError unless every required check has passed on finite numbers."""
    bad = [c.name for c in required_checks(decision) if not c.passed or c.value is None or not math.isfinite(c.value)]
    if bad or not decision.checks:
        raise ReleaseError(
            f"the decision says {decision.verdict}, but these checks do not hold: {bad or 'it has none'}"
        )
    gain = decision.gain
    numbers = [gain.gain, gain.low, gain.high] if gain else [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise ReleaseError(f"the decision's gain in {decision.primary} is missing or not finite; evaluate again")


def _check_current(decision: Decision, current: Version | None, ledger: Ledger, registry: Registry) -> None:
    """Raise unless the champion is the one that was compared, and the one that the ledger knows."""
    now = (current.number, current.lineage.bundle_digest) if current else None
    compared = (decision.champion.version, decision.champion.digest) if decision.champion else None
    if now != compared:
        raise StaleDecisionError(
            f"compared with {_name(compared)}, but {_name(now)} serves now; run `carousel retrain` to compare anew"
        )
    disagreement = find_disagreement(ledger, registry)
    if disagreement is not None:
        raise ReleaseError(disagreement)
    if now is None and not decision.bootstrap:
        raise ReleaseError("nothing serves yet; the first promotion needs --bootstrap")


def _name(champion: tuple[int, str] | None) -> str:
    return f"version {champion[0]} ({champion[1][:12]})" if champion else "no champion"


def _choose_target(chain: list[Deployment], current: int | None, to: int | None, served: list[Deployment]) -> int:
    on_top = chain[-1].version if chain else None
    if to is None:
        before = [d.version for d in chain if d.version != current]
        if not before:
            raise ReleaseError("nothing to roll back to: by the ledger no other version served that still exists")
        return before[-1]
    if to == current == on_top:
        raise ReleaseError(f"version {to} serves already")
    if to != current and to not in {d.version for d in served}:
        raise ReleaseError(f"version {to} never served with its bundle; only a decision file lets a version serve")
    return to


def _keep_registered(chain: list[Deployment], registry: Registry) -> list[Deployment]:
    """Return the deployments whose version is still in the registry."""
    known = registry.digests()
    return [d for d in chain if known.get(d.version) == d.digest]


def _deploy(
    action: Action,
    target: Version,
    previous: int | None,
    decision_digest: str | None,
    launch: Launch,
    ledger: Ledger,
    registry: Registry,
    settings: Settings,
) -> Deployment:
    digest = target.lineage.bundle_digest
    intent = ledger.begin(action, target.number, previous, digest, decision_digest, launch)
    crash_point(f"{action}:intent")
    try:
        candidate = settings.home / "candidate"
        smoke_test(open_bundle(registry.fetch(target.number, candidate), digest))
        shutil.rmtree(candidate)
    except Exception as error:
        ledger.close(intent, "abandoned", f"{type(error).__name__}: {error}")
        raise
    crash_point(f"{action}:answered")
    _point_previous(registry, previous)
    crash_point(f"{action}:previous")
    registry.move("champion", target.number)
    crash_point(f"{action}:champion")
    note = wait_until_serving(settings.service_url, target.number)
    done = ledger.close(intent, "done", note)
    crash_point(f"{action}:done")
    log.info("%s: version %d serves, before it %s; %s", action, target.number, previous or "none", note)
    return done


def _point_previous(registry: Registry, number: int | None) -> None:
    if registry.aliases().get("previous") != number:
        registry.move("previous", number)
