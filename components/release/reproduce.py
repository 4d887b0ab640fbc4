"""Build a version again, and compare its metrics to the last digit.

Its revision, parameters, data and champion go to a clean workspace; all stages from `split` on run without cache.
"""

import json
import logging
import shutil
from pathlib import Path

import yaml

from components import io
from components.contracts import Evaluation, Record
from components.errors import TamperedError
from components.release import champion, recipe, versioning
from components.release.erase_versions import current_digest
from components.release.registry import Registry, Version
from components.settings import Settings

log = logging.getLogger(__name__)
TOLERANCE = 0.0  # largest difference in a metric: the same code, data and seeds give the same number
METRICS = "reports/evaluate/metrics.json"
PACKAGE = "package"  # the last stage of a model
RESTORED = ("resolve", "ingest")  # stages whose outputs come from the registry and the data remote


class Reproduction(Record):
    """The metrics of the reproduction and the registered ones."""

    version: int
    equal: bool  # every metric within TOLERANCE
    same_bundle: bool  # the bundle has the same bytes
    then: dict[str, float]
    now: dict[str, float]
    different: list[str]  # metrics that differ by more than TOLERANCE or are only on one side
    tolerance: float
    notes: list[str]
    workspace: str  # relative to home; it is not removed


def reproduce(version: int, registry: Registry, settings: Settings, root: Path) -> Reproduction:
    """Return the registered and the reproduced metrics. Code comes from git, data from the DVC cache or remote.

    Python and its packages are those installed now. Raises ReleaseError when revision, data or record are missing,
    TamperedError when they are not what the version's tags say.
    """
    wanted = registry.version(version)
    folder = settings.home / "workspaces" / f"reproduce-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    versioning.make_workspace(root, folder, wanted.lineage.git_revision)
    then = _prepare(wanted, registry, folder)
    notes = [*_notes(wanted), *_follow_rewritten(wanted, folder, settings.home)]
    versioning.restore(folder, versioning.SNAPSHOT)
    timeout_s = float(yaml.safe_load((folder / "run/params.yaml").read_bytes())["flows"]["stage_timeout_s"])
    env = {"CAROUSEL_HOME": str(settings.home)}
    for stage in versioning.stages_before(folder, PACKAGE):  # without those of applications
        if stage not in RESTORED:
            versioning.rerun_stage(folder, stage, timeout_s, env)
    now = _read(folder / METRICS)
    different = sorted(name for name in then.keys() | now.keys() if not _same(then.get(name), now.get(name)))
    digest = champion.bundle_digest(folder / "bundle")
    return Reproduction(
        version=version,
        equal=not different,
        same_bundle=digest == wanted.lineage.bundle_digest,
        then=then,
        now=now,
        different=different,
        tolerance=TOLERANCE,
        notes=notes,
        workspace=folder.relative_to(settings.home).as_posix(),
    )


def _prepare(wanted: Version, registry: Registry, folder: Path) -> dict[str, float]:
    """Put the registered parameters, lock file and champion into the workspace; return the registered metrics."""
    number, record = wanted.number, folder / ".record"
    (folder / "run").mkdir(exist_ok=True)
    shutil.copyfile(registry.download_artifact(number, "run/params.yaml", record), folder / "run/params.yaml")
    shutil.copyfile(registry.download_artifact(number, "run/dvc.lock", record), folder / versioning.LOCK)
    actual = io.sha256_file(folder / "run/params.yaml"), versioning.read_data_version(folder)
    expected = wanted.lineage.params_digest, wanted.lineage.data_version
    if actual != expected:
        raise TamperedError(f"version {number}: parameters and data are {actual}, its tags say {expected}")
    then = _read(registry.download_artifact(number, METRICS, record))
    evaluation = registry.download_artifact(number, "reports/evaluate/evaluation.json", record)
    compared = io.read_record(evaluation, Evaluation, "evaluation").champion
    if compared:
        registry.fetch(compared.version, folder / "champion/bundle")
    io.write_record(folder / "champion/champion.json", compared)
    refreshed = yaml.safe_load((folder / "run/params.yaml").read_bytes()).get("selection") is not None
    recipe.place_inputs(folder, folder / "champion/bundle" if refreshed else None)
    shutil.rmtree(record)
    return then


def _read(metrics: Path) -> dict[str, float]:
    return {str(name): float(value) for name, value in json.loads(metrics.read_bytes()).items()}


def _same(then: float | None, now: float | None) -> bool:
    return then is not None and now is not None and abs(then - now) <= TOLERANCE


def _follow_rewritten(wanted: Version, folder: Path, home: Path) -> list[str]:
    """Let dvc.lock name the version's snapshot as it is now; return a note where users were removed from it."""
    old = wanted.lineage.data_version
    now = current_digest(home, old)
    if now == old:
        return []
    lock = folder / versioning.LOCK
    io.write_text(lock, lock.read_text(encoding="utf-8").replace(old, now))
    note = (
        f"version {wanted.number} was made from the snapshot {old[:12]}, which is {now[:12]} now, without users who "
        "were forgotten since: its metrics differ"
    )
    log.warning(note)
    return [note]


def _notes(wanted: Version) -> list[str]:
    if not wanted.lineage.git_dirty:
        return []
    note = (
        f"version {wanted.number} was made in a checkout with changes that revision {wanted.lineage.git_revision[:12]} "
        "does not hold: differing metrics may come from them"
    )
    log.warning(note)
    return [note]
