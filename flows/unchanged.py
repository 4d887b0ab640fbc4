"""A run that would change nothing is answered at once: no stage, no server, no version."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from components.release.versioning import StageRun

from components.release import champion, versioning
from components.release.lock import held
from components.stages.resolve import resolve
from flows.outcome import Outcome, outcome, process_start
from flows.place import open_place


def kept(overlays: Sequence[str], overrides: Sequence[str], as_of: datetime | None) -> Outcome | None:
    """Return the outcome where every stage is up to date and its bundle serves already; None where there is work."""
    place = open_place(overlays, overrides, as_of)
    if champion.digest_of(place.root / "bundle") is None:
        return None
    with held(place.settings.home / "retrain.lock", "a retrain"):
        resolve(place.root, place.overlays, place.overrides)
        stages = [s for s in versioning.stage_order(place.root) if s != "resolve"]
        if any(versioning.is_changed(place.root, stage) for stage in stages):
            return None
        own = champion.serving_here(place.root, place.registry())
        if own is None:
            return None
        runs = [StageRun(name=s, ran=False, seconds=0.0, work_s=0.0) for s in stages]
        return outcome(place, time.time() - process_start(), runs, own.version, None, False, {})
