"""The workspace of a run: the current directory's checkout or, for a deployed run, a separate clone."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from components import params, redact
from components.errors import CarouselError
from components.private import protect
from components.recommenders.factory import check_names
from components.release import versioning
from components.release.bundle import Bundle
from components.release.lock import exclusive_lock
from components.release.registry import Registry
from components.release.warm_client import SOCKET
from components.settings import Settings
from components.stages import moment
from components.times import with_zone
from components.tuning import overlay

log = logging.getLogger(__name__)
DECISION = Path("reports/decision.json")
EVALUATION = Path("reports/evaluate/evaluation.json")
REPORT = Path("reports/evaluate/report.html")
DRIFT = Path("reports/drift/drift.json")
HEARTBEAT_S = "30"  # as in infra/run.sh: infra/automations.yaml marks a run that is silent for longer as crashed
MAX_WORKSPACES = 3  # kept of deployed runs, for inspection


@dataclass(frozen=True)
class Workspace:
    """A checkout to work in, with its params and the environment of its stages."""

    root: Path
    settings: Settings
    params: params.Params
    overlays: list[Path]
    overrides: list[str]
    env: dict[str, str] = field(repr=False)  # overlays, overrides and home, for the stages
    deployed: bool
    tuned: tuple[str, ...] = ()  # origin of tuned values, which are in `overlays` already
    from_clock: bool = False  # no parameter names data.as_of of a real shop: it is the time of the start
    champion: Bundle | None = None  # whose recipe the run fits; None: the run selects a recipe

    @property
    def shop(self) -> Path:
        """Return the shop's folder: ledger, last decision, served bundles."""
        return self.settings.shop(self.params.release.name)

    def registry(self) -> Registry:
        """Return the model registry."""
        return Registry(self.settings, self.params.release)


def open_workspace(
    overlays: Sequence[str],
    overrides: Sequence[str],
    as_of: datetime | None,
    scheduled: datetime | None = None,
    untuned: bool = False,
    resume: bool = False,
) -> Workspace:
    """Return the current directory as a workspace; raises ParamsError before anything is written.

    Tuned values of the shop override the overlays and are overridden by `overrides`, unless `untuned`.
    as_of: where it is None and no parameter names it, a real shop is seen as of `scheduled`, the start of a deployed
    run, else as of now; with `resume`, as of the run before, if that was today and on the same sources (stages/moment).
    """
    redact.install()
    source = Path.cwd()
    settings = Settings().resolved(source)
    paths = [(source / p).resolve() for p in [*settings.overlays, *overlays]]
    lines = [*settings.override_lines, *overrides]
    loaded = params.load(source / "params.yaml", paths, lines)
    from_clock = as_of is None and not params.names_as_of(source / "params.yaml", paths, lines)
    data_root = (settings.data_root or source).resolve()
    if from_clock:
        as_of = scheduled or datetime.now(UTC).replace(microsecond=0)
        if resume and scheduled is None:
            as_of = moment.choose(source, loaded.data, data_root, as_of)
    if as_of is not None:
        lines.append(f'data.as_of="{_utc(as_of).isoformat()}"')
        loaded = params.load(source / "params.yaml", paths, lines)
    check_names(loaded)
    if settings.home.is_dir():
        protect(settings.home)
    tuned = None if untuned else overlay.find(settings.shop(loaded.release.name), loaded.data.as_of)
    origin: tuple[str, ...] = ()
    if tuned is not None:
        paths.append(tuned)
        origin = tuple(overlay.origin(tuned.read_text(encoding="utf-8")))
        loaded = params.load(source / "params.yaml", paths, lines)
    env = {
        "CAROUSEL_HOME": str(settings.home),
        "CAROUSEL_TRACKING_URI": settings.tracking_uri,
        "CAROUSEL_DATA_ROOT": str(data_root),
        "CAROUSEL_PARAMS": ":".join(map(str, paths)),
        "CAROUSEL_OVERRIDES": "\n".join(lines),
    }
    if SOCKET in os.environ:  # the command line has started the warm process of the stages
        env[SOCKET] = os.environ[SOCKET]
    return Workspace(source, settings, loaded, paths, lines, env, False, origin, from_clock)


@contextmanager
def locked_workspace(
    overlays: Sequence[str],
    overrides: Sequence[str],
    as_of: datetime | None,
    what: str,
    run_id: str | None = None,
    scheduled: datetime | None = None,
    untuned: bool = False,
    resume: bool = False,
) -> Iterator[Workspace]:
    """Yield the workspace of a run under the machine's lock; a deployed run (run_id) gets a separate clone.

    resume: the run takes the moment of the one before it, as `open_workspace` says, and records its own.
    Raises ParamsError or BusyError before anything is written.
    """
    workspace = open_workspace(overlays, overrides, as_of, scheduled, untuned, resume)
    with exclusive_lock(workspace.settings.home / "retrain.lock", what):
        if run_id is not None:
            folder = workspace.settings.home / "workspaces" / f"run-{run_id}"
            workspace = replace(workspace, root=versioning.make_workspace(workspace.root, folder), deployed=True)
            _prune(folder)
        elif resume and workspace.from_clock:
            moment.store(workspace.root, workspace.params.data, Path(workspace.env["CAROUSEL_DATA_ROOT"]))
        _collect_exposures(workspace)
        yield workspace


def _collect_exposures(workspace: Workspace) -> None:
    """Move what replicas on other machines have shown from the database to the folder that sources and `gc` read."""
    settings, shop = workspace.settings, workspace.params.release.name
    if settings.event_store_address is None:
        return
    from components.serving.storage.exposure_table import collect_exposures
    from components.serving.storage.open_event_store import open_event_store

    serving = workspace.shop / "serving"
    store = open_event_store(settings.event_store_address, serving, shop, secret=settings.erasure_secret)
    try:
        collect_exposures(store, serving / "exposures")
    except (CarouselError, OSError) as error:
        log.warning("exposures stay in the database until the next run: %s", error)
    finally:
        store.close()


def quiet_environment(home: Path) -> None:
    """Set the environment that Prefect reads at import: its database in home, no telemetry, few log lines."""
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    for name, value in {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": HEARTBEAT_S,
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)


def _utc(time: datetime) -> datetime:
    return with_zone(time).astimezone(UTC)


def _prune(newest: Path) -> None:
    """Remove the oldest workspaces of deployed runs; the lock guarantees that none is in use."""
    others = sorted((p for p in newest.parent.glob("run-*") if p != newest), key=lambda p: p.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - MAX_WORKSPACES)]:
        shutil.rmtree(old, ignore_errors=True)
