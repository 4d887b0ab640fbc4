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
from components.data import given_vectors, notices, sources, spark
from components.data.picture_folders import open_folder
from components.errors import CarouselError, ContractError, ReleaseError
from components.modalities.encoder import require_packages
from components.params import DataParams, Params
from components.recommenders.factory import check_names
from components.redact import redact
from components.release import local_database
from components.release.ledger import Ledger
from components.settings import Settings

NEEDED_DISK_GIB = 5
MIN_DISK_GIB = 0.5  # no run starts below it
NEEDED_MEMORY_GIB = 4
REGISTRY = "registry"
PACKAGES = ("prefect", "lightning", "transformers", "dvc", "mlflow", "evidently", "scikit-learn", "torch", "duckdb")


class Finding(Record):
    """The result of one check."""

    name: str
    ok: bool
    found: str
    advice: str  # what to do; empty if ok


def examine(
    root: Path, settings: Settings, overlays: list[Path], overrides: list[str], with_hints: bool = True
) -> list[Finding]:
    """Return all findings; a run can start when all are ok.

    Overlays and overrides of the environment come first, as in every run. with_hints: read rows of the sources, too.
    """
    findings: list[Finding] = [*_machine(settings), _python(), *_packages(root)]
    paths = [(root / path).resolve() for path in [*settings.overlays, *overlays]]
    loaded, finding = _params(root, paths, [*settings.override_lines, *overrides])
    findings.append(finding)
    if loaded is not None:
        if loaded.data.engine == "spark":
            findings.append(_check("engine", spark.require, "or set data.engine to duckdb"))
        findings += [*_sources(root, settings, loaded, with_hints), _port(loaded)]
        findings.append(_check(REGISTRY, lambda: _registry(settings, loaded), "check CAROUSEL_TRACKING_URI"))
    findings.append(_check("git", lambda: _git(root), "versions are tagged with the revision of the checkout"))
    findings.append(
        _check("DVC remote", lambda: _remote(root), "see `dvc remote list`; the default is .carousel/remote")
    )
    return findings


def require_ready(root: Path, settings: Settings, overlays: list[Path], overrides: list[str]) -> None:
    """Raise what `examine` refuses, before a run fails on it after hours.

    ReleaseError where only the registry is at fault, which may answer later; else ContractError.
    """
    bad = [f for f in examine(root, settings, overlays, overrides, with_hints=False) if not f.ok]
    if bad:
        kind = ReleaseError if {f.name for f in bad} == {REGISTRY} else ContractError
        raise kind("\n".join(f"{f.name}: {f.found}; {f.advice}" for f in bad))


def examine_overlay(root: Path, settings: Settings, overlays: list[Path]) -> list[Finding]:
    """Return the findings about parameters and sources alone: whether a run would accept the overlay."""
    paths = [(root / path).resolve() for path in [*settings.overlays, *overlays]]
    loaded, finding = _params(root, paths, settings.override_lines)
    return [finding, *(_sources(root, settings, loaded, True) if loaded is not None else ())]


def _machine(settings: Settings) -> Iterator[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    enough = memory >= NEEDED_MEMORY_GIB
    yield Finding(
        name="machine",
        ok=True,
        found=f"{os.cpu_count()} cores, {memory:.0f} GiB memory",
        advice="" if enough else f"a small shop may do with it; {NEEDED_MEMORY_GIB} GiB of memory or more are advised",
    )
    folder = _existing(settings.home)
    free, writable = shutil.disk_usage(folder).free / 2**30, os.access(folder, os.W_OK)
    advice = "set CAROUSEL_HOME to a folder that you may write" if not writable else ""
    if free < NEEDED_DISK_GIB:
        advice = f"free some disk: runs need up to {NEEDED_DISK_GIB} GiB"
    yield Finding(
        name="disk",
        ok=writable and free >= MIN_DISK_GIB,
        found=f"{free:.1f} GiB free where {settings.home.name} is, {'writable' if writable else 'not writable'}",
        advice=advice,
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


def _sources(root: Path, settings: Settings, loaded: Params, with_hints: bool) -> Iterator[Finding]:
    data, base = loaded.data, root if loaded.data.simulated else settings.data_root or root
    if data.pictures is not None:
        yield _check("pictures", partial(_pictures, data, base), "see docs/pictures.md")
    for name, source in sorted(data.vectors.items()):
        yield _check(
            f"vectors {name}", partial(given_vectors.describe, name, source, base), f"check data.vectors.{name}"
        )
    if data.simulated:
        yield Finding(name="sources", ok=True, found="the simulated shop: no files needed", advice="")
        return
    for table in loaded.data.sources:
        yield _check(
            f"source {table}",
            partial(_source, loaded, table, base, with_hints),
            f"check data.sources.{table}",
        )


def _source(loaded: Params, table: str, root: Path, with_hints: bool) -> str:
    found = sources.describe(loaded.data, table, root)
    return "; ".join([found, *(notices.blank_conditions(loaded.data, table, root) if with_hints else [])])


def _pictures(data: DataParams, base: Path) -> str:
    require_packages()
    if data.simulated:  # ingest draws them
        return "of the simulated shop"
    open_folder(str(data.pictures), base).check()
    return f"of products, below {data.pictures}"


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
    ledger = Ledger(settings.shop(loaded.release.name))
    if local_database.is_missing(settings.tracking_uri) and not ledger.path.exists():
        return "none yet: the first run creates it"
    from components.release.consistency import find_disagreement
    from components.release.registry import Registry

    registry = Registry(settings, loaded.release)
    disagreement = find_disagreement(ledger, registry)
    if disagreement is not None:
        raise ContractError(disagreement)
    champion = registry.alias("champion")
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
