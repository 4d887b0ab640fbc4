"""Fast path: when nothing has changed, answer without running a stage or starting a server."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from components.applications.own_files import FILES
from components.applications.record import APPLICATIONS, enabled_applications
from components.contracts import Decision
from components.errors import ContractError
from components.io import read_record, sha256_file, sha256_files, write_json
from components.release import champion, outcomes, versioning
from components.release.ledger import Ledger
from components.release.registry import Registry
from components.release.versioning import StageRun
from components.stages.resolve import resolve
from flows.history import note_alarms
from flows.outcome import Outcome, Pass, build_outcome, process_start
from flows.workspace import DECISION, EVALUATION, REPORT, Workspace, locked_workspace

STAMP_FILE = Path("run/decided.json")
RETRAIN = Path("run/retrain")  # report and inputs of a retrain whose recipe won and was refreshed in the same checkout
REPORT_OF_RETRAIN = RETRAIN / REPORT.relative_to("reports")
REFRESHED = "the champion is the recipe that the last retrain promoted: same data, parameters and code"
INPUTS, CHAMPION = "inputs.json", "champion"
PARAMS, SOURCES = Path("run/params.yaml"), Path("run/sources.json")
DECISION_INPUTS = (DECISION, EVALUATION, PARAMS, Path("bundle/manifest.json"))


def unchanged_outcome(
    overlays: Sequence[str],
    overrides: Sequence[str],
    as_of: datetime | None,
    untuned: bool = False,
    bootstrap: bool = False,
) -> Outcome | None:
    """Return the outcome when every stage is up to date and nothing is left to decide; None when there is work.

    Nothing is left when the champion is this bundle, or a refresh of it by the same run, or when the last decision was
    made on these files against the champion that still serves, and does not ask for a promotion. A decision made
    without `bootstrap` does not answer a request for a first champion. A promotion whose process died is work to do.
    """
    with locked_workspace(overlays, overrides, as_of, "a retrain", untuned=untuned, resume=True) as workspace:
        if champion.bundle_digest(workspace.root / "bundle") is None or Ledger(workspace.shop).open_intent():
            return None
        resolve(workspace.root, workspace.overlays, workspace.overrides, workspace.settings.data_root)
        if is_refreshed(workspace):
            done = Pass(reason=REFRESHED, notes=score_pending(workspace))
            return build_outcome(workspace, time.time() - process_start(), done, report=REPORT_OF_RETRAIN)
        disabled = set(APPLICATIONS) - set(enabled_applications(workspace.params))
        stages = versioning.unchanged_stages(workspace.root, disabled)
        if stages is None:
            return None
        own = champion.find_own_champion(workspace.root, workspace.registry())
        decision = None if own else valid_decision(workspace.root, workspace.registry(), bootstrap)
        if own is None and decision is None:
            return None
        runs = [StageRun(name=s, ran=False, seconds=0.0, work_s=0.0) for s in stages]
        version = own.version if own else decision.challenger_version if decision else None
        done = Pass(runs, version, decision, notes=score_pending(workspace))
        return build_outcome(workspace, time.time() - process_start(), done)


def score_pending(workspace: Workspace) -> list[str]:
    """Score the days that no run has scored yet, because it failed or a rollback came later; return notes."""
    if not outcomes.is_day_pending(workspace.shop, workspace.params):
        return []
    return note_alarms(lambda: outcomes.score_served(workspace.root, workspace.registry(), workspace.params))[1]


def read_inputs(root: Path) -> dict[str, str]:
    """Return the digests of parameters, sources and code of a retrain, as `resolve` has written them."""
    code = [root / "dvc.yaml", *sorted((root / "components").rglob("*.py"))]
    names = [PARAMS, SOURCES, *(FILES / f"{name}.json" for name in APPLICATIONS)]
    inputs = {str(name): sha256_file(root / name) for name in names if (root / name).exists()}
    return inputs | {"code": sha256_files(code)}


def write_refreshed(workspace: Workspace, inputs: dict[str, str]) -> None:
    """Store the inputs of a retrain that promoted a recipe, and the champion after the refresh that followed."""
    write_json(workspace.root / RETRAIN / INPUTS, {**inputs, CHAMPION: _serving_digest(workspace)})


def is_refreshed(workspace: Workspace) -> bool:
    """Return whether the last retrain had these inputs, its recipe was refreshed, and that champion still serves."""
    if not (workspace.root / REPORT_OF_RETRAIN).exists():
        return False
    stored = _read_json(workspace.root / RETRAIN / INPUTS)
    return stored == {**read_inputs(workspace.root), CHAMPION: _serving_digest(workspace)}


def _serving_digest(workspace: Workspace) -> str | None:
    serving = workspace.registry().serving()
    return serving.digest if serving else None


def write_stamp(root: Path) -> None:
    """Store the digests of the files that the decision was made on."""
    write_json(root / STAMP_FILE, _digests(root))


def valid_decision(root: Path, registry: Registry, bootstrap: bool = False) -> Decision | None:
    """Return the last decision if it still holds, answers the request and asks for no promotion; else None."""
    digests = _digests(root)
    if None in digests.values() or _read_json(root / STAMP_FILE) != digests:
        return None
    try:
        decision = read_record(root / DECISION, Decision, "decision")
    except ContractError:  # of another version: decide again
        return None
    serving = registry.serving()
    if bootstrap and serving is None and not decision.bootstrap:
        return None
    if decision.champion != serving:
        return None
    return None if decision.verdict == "promote" and decision.mode == "enabled" else decision


def _read_json(file: Path) -> object:
    """Return what the file holds; None where there is none, or it is damaged: then the run decides again."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def _digests(root: Path) -> dict[str, str | None]:
    files = {str(name): root / name for name in DECISION_INPUTS}
    return {name: sha256_file(file) if file.exists() else None for name, file in files.items()}
