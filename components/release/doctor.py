"""Checks everything that a run needs before it starts."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components import params
from components.contracts import Record
from components.data import sources
from components.errors import CarouselError
from components.params import Params
from components.recommenders.factory import check_names
from components.redact import redact
from components.settings import Settings

NEEDED_DISK_GIB = 5
NEEDED_MEMORY_GIB = 4
PACKAGES = ("prefect", "lightning", "transformers", "dvc", "mlflow", "evidently", "scikit-learn", "torch", "duckdb")


class Finding(Record):
    """The result of one check."""

    name: str
    ok: bool
    found: str
    advice: str  # what to do; empty if ok


def examine(root: Path, settings: Settings, overlays: list[Path], overrides: list[str]) -> list[Finding]:
    """Return all findings; a run can start when all are ok."""
    findings: list[Finding] = [*_machine(settings), _python(), *_packages(root)]
    loaded, finding = _params(root, overlays, overrides)
    findings.append(finding)
    if loaded is not None:
        findings += [*_sources(root, settings, loaded), _port(loaded)]
        findings.append(_check("registry", lambda: _registry(settings, loaded), "check CAROUSEL_TRACKING_URI"))
    findings.append(
        _check("git", lambda: _git(root), "run inside a git checkout: versions are tagged with its revision")
    )
    findings.append(
        _check("DVC remote", lambda: _remote(root), "see `dvc remote list`; the default is .carousel/remote")
    )
    return findings


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Finding(
        name="machine",
        ok=memory >= NEEDED_MEMORY_GIB,
        found=f"{os.cpu_count()} cores, {memory:.0f} GiB memory",
        advice="" if memory >= NEEDED_MEMORY_GIB else f"expected {NEEDED_MEMORY_GIB} GiB of memory or more",
    )
    folder = _existing(settings.home)
    free, writable = shutil.disk_usage(folder).free / 2**30, os.access(folder, os.W_OK)
    yield Finding(
        name="disk",
        ok=writable and free >= NEEDED_DISK_GIB,
        found=f"{free:.0f} GiB free where {settings.home.name} is, {'writable' if writable else 'not writable'}",
        advice=""
        if writable and free >= NEEDED_DISK_GIB
        else f"expected {NEEDED_DISK_GIB} GiB, writable: CAROUSEL_HOME",
    )


def _python() -> Finding:
    ok = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Finding(
        name="python", ok=ok, found=sys.version.split()[0], advice="" if ok else "expected 3.11 or 3.12: `make install`"
    )


def _packages(root: Path) -> Iterator[Finding]:
    file = root / "constraints.txt"
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE)) if file.exists() else {}
    wrong = []
    for name in PACKAGES:
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "nothing"
        if pins.get(name, installed).split("+")[0] != installed.split("+")[0]:
            wrong.append(f"{name} {installed}, tested with {pins[name]}")
    missing = [w for w in wrong if " nothing," in w]
    found = "; ".join(wrong) or f"{len(PACKAGES)} packages as in constraints.txt"
    yield Finding(name="packages", ok=not missing, found=found, advice="run `make install`" if wrong else "")


def _params(root: Path, overlays: list[Path], overrides: list[str]) -> tuple[Params | None, Finding]:
    try:
        loaded = params.load(root / "params.yaml", overlays, overrides)
        check_names(loaded)
    except CarouselError as error:
        return None, Finding(
            name="params", ok=False, found=str(error), advice="correct the value that the message names"
        )
    return loaded, Finding(name="params", ok=True, found=f"as of {loaded.data.as_of:%Y-%m-%d}", advice="")


def _sources(root: Path, settings: Settings, loaded: Params) -> Iterator[Finding]:
    if loaded.data.simulated:
        yield Finding(name="sources", ok=True, found="the simulated shop: no files needed", advice="")
        return
    for table in loaded.data.sources:
        yield _check(
            f"source {table}",
            partial(sources.describe, loaded.data, table, settings.data_root or root),
            f"check data.sources.{table}",
        )


def _port(loaded: Params) -> Finding:
    address = (loaded.serving.host, loaded.serving.port)
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(address) == 0
    return Finding(
        name="port",
        ok=True,
        found=f"{address[0]}:{address[1]} {'is in use: by the service, or by another program' if taken else 'is free'}",
        advice="set serving.port if that is not Carousel's service" if taken else "",
    )


def _registry(settings: Settings, loaded: Params) -> str:
    if settings.tracking_uri.startswith("sqlite") and not (settings.home / "mlflow.db").exists():
        return "none yet: the first run creates it"
    from components.release.registry import Registry

    champion = Registry(settings, loaded.release).alias("champion")
    return f"champion {champion.number}" if champion else "reachable, no champion yet: the first needs --bootstrap"


def _git(root: Path) -> str:
    from components.release.versioning import git, is_dirty

    changed = " with changes: a version built from it cannot be reproduced exactly" if is_dirty(root) else ""
    return f"revision {git(root, 'rev-parse', '--short', 'HEAD')}{changed}"


def _remote(root: Path) -> str:
    from components.release.versioning import remote_url

    url = remote_url(root)
    if "://" in url:
        return f"{redact(url)} (not contacted)"
    folder = _existing(Path(url))
    if not os.access(folder, os.W_OK):
        raise CarouselError(f"{folder} is not writable")
    return f"{Path(url).name}, writable"


def _check(name: str, check: Callable[[], str], advice: str) -> Finding:
    try:
        return Finding(name=name, ok=True, found=check(), advice="")
    except CarouselError as error:
        return Finding(name=name, ok=False, found=str(error), advice=advice)


def _existing(path: Path) -> Path:
    """Return the path, or the nearest of its parents that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
