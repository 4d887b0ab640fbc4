"""A run that would change nothing is answered at once: no stage, no server, no version."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from components.contracts import Decision
from components.release import champion, versioning
from components.release.registry import Registry
from components.release.versioning import StageRun
from components.stages.resolve import resolve
from flows.outcome import Outcome, outcome, process_start
from flows.workspace import DECISION, EVALUATION, working

STAMP = Path("run/decided.json")
DECIDED_ON = (DECISION, EVALUATION, Path("run/params.yaml"), Path("bundle/manifest.json"))


def kept(
    overlays: Sequence[str], overrides: Sequence[str], as_of: datetime | None, untuned: bool = False
) -> Outcome | None:
    """Return the outcome where every stage is up to date and nothing is left to decide; None where there is work.

    Nothing is left where the champion is this bundle, or where the last verdict was taken on these very files against
    the champion that still serves, and asked for no promotion.
    """
    with working(overlays, overrides, as_of, "a retrain", untuned=untuned) as place:
        if champion.digest_of(place.root / "bundle") is None:
            return None
        resolve(place.root, place.overlays, place.overrides, place.settings.data_root)
        stages = [s for s in versioning.stage_order(place.root) if s != "resolve"]
        if any(versioning.is_changed(place.root, stage) for stage in stages):
            return None
        own = champion.serving_here(place.root, place.registry())
        decision = None if own else standing(place.root, place.registry())
        if own is None and decision is None:
            return None
        runs = [StageRun(name=s, ran=False, seconds=0.0, work_s=0.0) for s in stages]
        version = own.version if own else decision.challenger_version if decision else None
        return outcome(place, time.time() - process_start(), runs, version, decision, False, {}, [])


def stamp(root: Path) -> None:
    """Note the digests of what the decision was taken on."""
    (root / STAMP).write_text(json.dumps(_digests(root)), encoding="utf-8")


def standing(root: Path, registry: Registry) -> Decision | None:
    """Return the last decision where it still holds and asks for nothing; None where one must be taken, or promoted."""
    digests = _digests(root)
    if None in digests.values() or not (root / STAMP).exists():
        return None
    if json.loads((root / STAMP).read_bytes()) != digests:
        return None
    decision = Decision.model_validate_json((root / DECISION).read_bytes())
    serving = registry.alias("champion")
    if decision.champion != (registry.ref(serving.number) if serving else None):
        return None
    return None if decision.verdict == "promote" and decision.mode == "enabled" else decision


def _digests(root: Path) -> dict[str, str | None]:
    files = {str(name): root / name for name in DECIDED_ON}
    return {name: sha256(file.read_bytes()).hexdigest() if file.exists() else None for name, file in files.items()}
