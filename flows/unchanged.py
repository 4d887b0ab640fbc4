"""Fast path: when nothing has changed, answer without running a stage or starting a server."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from components.contracts import Decision
from components.errors import ContractError
from components.io import read_record, sha256_file, write_json
from components.release import champion, versioning
from components.release.registry import Registry
from components.release.versioning import StageRun
from components.stages.resolve import resolve
from flows.outcome import Outcome, Pass, build_outcome, process_start
from flows.workspace import DECISION, EVALUATION, locked_workspace

STAMP_FILE = Path("run/decided.json")
DECISION_INPUTS = (DECISION, EVALUATION, Path("run/params.yaml"), Path("bundle/manifest.json"))


def unchanged_outcome(
    overlays: Sequence[str],
    overrides: Sequence[str],
    as_of: datetime | None,
    untuned: bool = False,
    bootstrap: bool = False,
) -> Outcome | None:
    """Return the outcome when every stage is up to date and nothing is left to decide; None when there is work.

    Nothing is left when the champion is this bundle, or when the last decision was made on these files against the
    champion that still serves, and does not ask for a promotion. A decision made without `bootstrap` does not answer
    a request for a first champion.
    """
    with locked_workspace(overlays, overrides, as_of, "a retrain", untuned=untuned, resume=True) as workspace:
        if champion.bundle_digest(workspace.root / "bundle") is None:
            return None
        resolve(workspace.root, workspace.overlays, workspace.overrides, workspace.settings.data_root)
        stages = [s for s in versioning.stage_order(workspace.root) if s != "resolve"]
        if any(versioning.is_changed(workspace.root, stage) for stage in stages):
            return None
        own = champion.find_own_champion(workspace.root, workspace.registry())
        decision = None if own else valid_decision(workspace.root, workspace.registry(), bootstrap)
        if own is None and decision is None:
            return None
        runs = [StageRun(name=s, ran=False, seconds=0.0, work_s=0.0) for s in stages]
        version = own.version if own else decision.challenger_version if decision else None
        return build_outcome(workspace, time.time() - process_start(), Pass(runs, version, decision))


def write_stamp(root: Path) -> None:
    """Store the digests of the files that the decision was made on."""
    write_json(root / STAMP_FILE, _digests(root))


def valid_decision(root: Path, registry: Registry, bootstrap: bool = False) -> Decision | None:
    """Return the last decision if it still holds, answers the request and asks for no promotion; else None."""
    digests = _digests(root)
    if None in digests.values() or _read_stamp(root) != digests:
        return None
    try:
        decision = read_record(root / DECISION, Decision, "decision")
    except ContractError:  # of another version: decide again
        return None
    serving = registry.alias("champion")
    if bootstrap and serving is None and not decision.bootstrap:
        return None
    if decision.champion != (registry.ref(serving.number) if serving else None):
        return None
    return None if decision.verdict == "promote" and decision.mode == "enabled" else decision


def _read_stamp(root: Path) -> object:
    """Return the stored digests; None where there are none, or the file is damaged: then the run decides again."""
    try:
        return json.loads((root / STAMP_FILE).read_bytes())
    except (OSError, ValueError):
        return None


def _digests(root: Path) -> dict[str, str | None]:
    files = {str(name): root / name for name in DECISION_INPUTS}
    return {name: sha256_file(file) if file.exists() else None for name, file in files.items()}
