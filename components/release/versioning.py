"""DVC: stages in order, digests of data, workspaces; restore.py restores outputs, dvc_repository.py opens DVC."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from components.contracts import Lineage, Record
from components.errors import BusyError, ReleaseError, StageError
from components.io import sha256_file
from components.release.dvc_lock import LOCK, read_digest, read_outputs
from components.release.dvc_repository import open_repository
from components.release.git import clone, git, is_dirty
from components.release.processes import ProcessResult, run_guarded
from components.release.restore import drop_damaged, restore, restore_inputs
from components.release.warm import run_warm, search_path
from components.unfinished import read_unfinished

__all__ = ["LOCK", "StageRun", "git", "is_changed", "is_dirty", "locked_stores", "make_workspace", "push"]
__all__ += ["read_data_version", "read_lineage", "remote_url", "reproduce_stage", "rerun_stage", "restore"]
__all__ += ["stage_order", "stages_before", "unchanged_stages"]
log = logging.getLogger(__name__)
SNAPSHOT = "data/snapshot"


class StageRun(Record):
    """The result of one stage."""

    name: str
    ran: bool  # False: nothing had changed, or its outputs came from the cache
    seconds: float  # total: DVC, imports, work
    work_s: float  # work alone, measured by the stage; 0 if it did not run


def stage_order(root: Path) -> list[str]:
    """Return the names of dvc.yaml's stages in topological order."""
    with open_repository(root) as repo:
        return [stage.name for stage in _ordered(repo)]


def stages_before(root: Path, stage: str) -> list[str]:
    """Return the stages that the stage needs, and the stage itself, in topological order."""
    from dvc.repo.reproduce import get_active_graph, plan_repro

    with open_repository(root) as repo:
        graph = get_active_graph(repo.index.graph)
        found = next((node for node in graph if node.name == stage), None)
        if found is None:
            raise ReleaseError(f"dvc.yaml has no stage {stage}; it has {sorted(node.name for node in graph)}")
        return [node.name for node in plan_repro(graph, [found])]


def is_changed(root: Path, *stages: str) -> bool:
    """Return whether DVC would run one of the stages or restore its outputs; False: everything is up to date."""
    with open_repository(root) as repo:
        known = {s.name: s for s in repo.index.stages}  # DVC's own look-up depends on the working directory
        if unknown := [name for name in stages if name not in known]:
            raise ReleaseError(f"dvc.yaml has no stage {unknown[0]}; it has {sorted(known)}")
        return any(known[name].changed() for name in stages)


def unchanged_stages(root: Path, skipped: Collection[str] = ()) -> list[str] | None:
    """Return the stages in topological order, without those that always run; None where DVC would run one of them.

    skipped: stages that the run does not need, such as those of applications that are disabled.
    """
    with open_repository(root) as repo:
        stages = [stage for stage in _ordered(repo) if not stage.always_changed and stage.name not in skipped]
        return None if any(stage.changed() for stage in stages) else [stage.name for stage in stages]


def reproduce_stage(
    root: Path, stage: str, timeout_s: float, env: Mapping[str, str] | None = None, check: bool = True
) -> StageRun:
    """Bring one stage up to date: skip it, restore its outputs from the cache and check them, or run it.

    check: first find out in this process whether anything has changed, so that an unchanged stage starts none; without,
    DVC alone finds it out, in half of the time where the stage will run.
    A training that a limit in minutes stopped goes on. A stage that refused damaged inputs runs once more after they
    have been restored.
    Raises BusyError when another run holds DVC's lock, ReleaseError when the stage fails or runs out of time.
    """
    started = time.monotonic()
    changed = not check or is_changed(root, stage)
    if not changed and not _is_unfinished(root, stage):
        return StageRun(name=stage, ran=False, seconds=round(time.monotonic() - started, 3), work_s=0.0)
    timing = root / "run/timings" / f"{stage}.json"
    timing.unlink(missing_ok=True)
    run = partial(_repro, root, stage, timeout_s, env or {})
    flags = () if changed else ("--force",)
    try:
        run(flags)
    except StageError:
        if not restore_inputs(root, stage):
            raise
        run(flags)
    if not timing.exists() and _is_unfinished(root, stage):  # an unfinished result came from the cache
        run(("--force",))
    if not timing.exists() and drop_damaged(root, stage):
        log.warning("stage %s: damaged files in the cache were removed; the stage runs", stage)
        run(("--force",))
    work_s = float(json.loads(timing.read_bytes())["work_s"]) if timing.exists() else 0.0
    seconds = round(time.monotonic() - started, 3)
    return StageRun(name=stage, ran=timing.exists(), seconds=seconds, work_s=work_s)


def rerun_stage(root: Path, stage: str, timeout_s: float, env: Mapping[str, str] | None = None) -> None:
    """Run the stage without reading or writing the cache, for `reproduce`."""
    _repro(root, stage, timeout_s, env or {}, ("--force", "--no-run-cache", "--no-commit"))


def read_data_version(root: Path) -> str:
    """Return DVC's digest of data/snapshot, from dvc.lock."""
    return read_digest(root, SNAPSHOT)


def read_lineage(root: Path, bundle_digest: str, as_of: str, model: str) -> Lineage:
    """Return where the bundle comes from: revision, data, parameters."""
    return Lineage(
        git_revision=git(root, "rev-parse", "HEAD"),
        git_dirty=is_dirty(root),
        data_version=read_data_version(root),
        params_digest=sha256_file(root / "run/params.yaml"),
        bundle_digest=bundle_digest,
        as_of=as_of,
        model=model,
    )


def push(root: Path) -> int:
    """Push the snapshot to the default remote; return the number of files. Raises ReleaseError.

    All other outputs can be computed again from it; `dvc push` sends them too.
    """
    try:
        with open_repository(root) as repo:
            return int(repo.push([str(root / SNAPSHOT)]))
    except OSError as error:
        raise ReleaseError(f"DVC remote: {error}; see `dvc remote list`") from error


def remote_url(root: Path) -> str:
    """Return the URL of the default remote, or its absolute path. Raises ReleaseError when there is none."""
    with open_repository(root) as repo:
        name, url = _remote(repo, root)
    if not name:
        raise ReleaseError("DVC has no default remote; run `dvc remote add --default local .carousel/remote`")
    return url


def make_workspace(source: Path, folder: Path, revision: str | None = None) -> Path:
    """Return a clean checkout of the revision (the source's HEAD by default) on the source's DVC cache and remote.

    An existing folder is updated to the revision; outputs of its stages stay, so that they are not built again.
    Files are copied out of the cache (reflink where the disk supports it): a stage cannot write into the cache.
    """
    clone(source, folder, revision)
    _share_cache(source, folder)
    return folder


@contextmanager
def locked_stores(root: Path) -> Iterator[tuple[Path, Path | None]]:
    """Yield the folders of DVC's cache and of its default remote, under DVC's lock; the caller may remove objects.

    None for the remote: there is none, or it is not a local folder.
    """
    with open_repository(root) as repo:
        name, url = _remote(repo, root)
        cache = Path(repo.cache.local.path).parents[1]  # contains files/md5 and runs
        try:
            yield cache, Path(url) if name and "://" not in url else None
        finally:
            repo.drop_data_index()  # DVC's notes on what the remote holds


def _ordered(repo: Any) -> list[Any]:
    from dvc.repo.reproduce import get_active_graph, plan_repro

    return list(plan_repro(get_active_graph(repo.index.graph)))


def _repro(root: Path, stage: str, timeout_s: float, env: Mapping[str, str], flags: Sequence[str]) -> None:
    path = [*search_path(env), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    every = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": os.pathsep.join(path), **env}
    command = ["-m", "components.release.dvc_repro", "--single-item", *flags, stage]
    outcome = run_warm(command, root, every, timeout_s, log) or run_guarded(
        [sys.executable, *command], root, every, timeout_s, log
    )
    if outcome.timed_out:
        raise ReleaseError(
            f"stage {stage}: not done after {timeout_s:g} s, killed with its children; see flows.stage_timeout_s"
        )
    if outcome.code:
        raise _failure(stage, outcome)


def _is_unfinished(root: Path, stage: str) -> bool:
    if not (root / LOCK).exists():
        return False
    return bool(read_unfinished(root / name for name in read_outputs(root, stage)))


def _failure(stage: str, outcome: ProcessResult) -> Exception:
    text = "\n".join(outcome.lines)
    if "is busy, it is being blocked by" in text or "Unable to acquire lock" in text:
        return BusyError(f"stage {stage}: another run works in this checkout; wait for it\n{text[-500:]}")
    own = [line for line in outcome.lines if not line.startswith(("ERROR: failed to reproduce", ">", "Running stage"))]
    starts = [n for n, line in enumerate(own) if line.startswith(f"{stage}: ")]
    if starts:  # the format in which stages.run prints a CarouselError
        return StageError("\n".join(own[starts[-1] :]))
    found = re.search(r"exited with (-?\d+)", text)
    code = int(found[1]) if found else outcome.code
    kind = StageError if 0 < code < 128 else ReleaseError  # negative or above 128: killed by a signal
    return kind(f"stage {stage} failed (exit code {code}): " + "\n".join(own[-8:]))


def _share_cache(source: Path, folder: Path) -> None:
    """Write folder's .dvc/config.local: the source's cache and default remote."""
    with open_repository(source) as repo:
        cache = Path(repo.cache.local.path).parents[1]
        name, url = _remote(repo, source)
    lines = ["[cache]", f"    dir = {cache}", "    type = reflink,copy"]
    if name:
        lines += [f"['remote \"{name}\"']", f"    url = {url}"]
    (folder / ".dvc/config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _remote(repo: Any, root: Path) -> tuple[str, str]:
    """Return name and URL (or absolute path) of the default remote; empty strings where there is none."""
    name = repo.config["core"].get("remote")
    if not name:
        return "", ""
    url = str(repo.config["remote"][name]["url"])
    return name, url if "://" in url else str((root / url).resolve())
