"""Which bundle answers: the one under the champion alias, fetched, verified and tried before it replaces another."""

import gc
import logging
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from components.contracts import ChampionRef
from components.errors import CarouselError, ContractError, TamperedError
from components.io import find_record, write_record
from components.release.bundle import Bundle, open_bundle
from components.release.lock import exclusive_lock
from components.release.registry import Alias, Version
from components.release.smoke_test import smoke_test
from components.serving.inference.online_features import OnlineFeatures
from components.serving.inference.rules import CatalogueFilter
from components.serving.metrics import ServiceMetrics

log = logging.getLogger("serving")
DIGEST = re.compile(r"[0-9a-f]{64}")
KEPT = 2  # bundles on disk: the one that serves, and the one before it, for a rollback without a download
LOCK_S = 120.0  # longest wait for another service on this machine that is fetching
LONGEST_WAIT_S = 300.0  # between two tries of a bundle that was refused


class ModelSource(Protocol):
    """Where champions come from: what this room needs of release.registry.Registry."""

    def alias(self, name: Alias) -> Version | None:
        """Return the version under the alias."""
        ...

    def fetch(self, number: int, folder: Path) -> Path:
        """Return folder, holding the version's bundle, verified."""
        ...


@dataclass(frozen=True)
class ServedModel:
    """A bundle that has answered test requests, and its number in the registry."""

    version: int
    bundle: Bundle

    @cached_property
    def catalogue_filter(self) -> CatalogueFilter:
        """Return its products as rules see them."""
        return CatalogueFilter(self.bundle.catalogue)

    @cached_property
    def online_features(self) -> OnlineFeatures:
        """Return what makes profiles and chances of histories."""
        return OnlineFeatures(self.bundle)


class ModelWatcher:
    """The champion that serves, `current`; a request reads it once and keeps it until it has answered.

    With another alias, the same follows a challenger.
    """

    def __init__(
        self, source: ModelSource, folder: Path, poll_s: float, metrics: ServiceMetrics, alias: Alias = "champion"
    ) -> None:
        """folder: of the bundles and current.json; it outlives the process."""
        self.source = source
        self.folder = folder
        self.poll_s = poll_s
        self.metrics = metrics
        self.alias = alias
        self.current: ServedModel | None = None
        self.previous: ServedModel | None = None  # kept hot: `revert` needs no disk
        self.warm: Callable[[ServedModel], None] = lambda _: (
            None
        )  # asks a new one what was asked last, before it serves
        self.on_swap: Callable[[], None] = lambda: None  # is called when another one has begun to serve
        self._left: int | None = None  # version that `revert` left: not taken up again while the alias names it
        self._said = ""  # the last warning: it is not repeated at every poll
        self._refused: tuple[int, int, float] | None = None  # version, times, not before (monotonic)
        self._polling = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve the last good bundle on disk, if any, and follow the alias in the background."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.load_last()
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End following; a download in progress ends with the process."""
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=2)

    def load_last(self) -> None:
        """Serve what current.json names, without the registry; a bundle that is damaged is left for the registry."""
        file = self.folder / "current.json"
        try:
            ref = find_record(file, ChampionRef, "champion")
            if ref is None:
                log.info("no bundle on disk yet")
            else:
                self._serve(self._made(ref.version, self._folder(ref.digest), ref.digest))
        except Exception as error:  # damaged in whatever way: the registry has it whole
            self._keep("the last bundle on disk", error)

    def poll(self) -> None:
        """Look the alias up once; serve its bundle if it is another one, and good. Whatever fails changes nothing."""
        with self._polling:
            self._poll()

    def _poll(self) -> None:
        try:
            version = self.source.alias(self.alias)
        except CarouselError as error:
            self._keep("registry", error)
            return
        self.metrics.registry_reached.set_to_current_time()
        if version is None:
            self._warn(f"no {self.alias} in the registry")
            return
        if not self._is_new(version):
            return
        started = time.monotonic()
        try:
            self._serve(self._fetched(version))
        except Exception as error:  # a bad bundle may raise anything; the good one goes on serving
            times = self._refused[1] + 1 if self._refused and self._refused[0] == version.number else 1
            wait = min(self.poll_s * 2**times, LONGEST_WAIT_S)
            self._refused = (version.number, times, time.monotonic() + wait)
            self._keep(f"version {version.number}", error)
            return
        self._refused, self._said = None, ""
        self.metrics.reload_seconds.set(time.monotonic() - started)
        try:
            self._remember(version)
        except OSError as error:  # such as a full disk: the bundle serves, and only a start without registry misses it
            self._keep("current.json", error)

    def revert(self) -> ServedModel:
        """Let the one before serve again, at once, until the alias names another version than the one that is left.

        Raises ContractError where there is none. The alias is moved by `carousel rollback`.
        """
        previous, current = self.previous, self.current
        if previous is None or current is None:
            raise ContractError("no other version has served since the start; use `carousel rollback`")
        self._left = current.version
        self._serve(previous)
        return previous

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self.poll()
            except Exception:  # what nobody thought of must not end the following
                log.exception("polling failed")
            self._stopped.wait(self.poll_s)

    def _is_new(self, version: Version) -> bool:
        now = self.current
        if now and (now.version, now.bundle.digest) == (version.number, version.lineage.bundle_digest):
            self._refused, self._said = None, ""
            return False
        if self._left == version.number:
            return False
        self._left = None
        refused = self._refused
        return not (refused and refused[0] == version.number and time.monotonic() < refused[2])

    def _fetched(self, version: Version) -> ServedModel:
        digest = version.lineage.bundle_digest
        with exclusive_lock(self.folder / "fetch.lock", "fetching a bundle", LOCK_S):
            folder = self.source.fetch(version.number, self._folder(digest))
        return self._made(version.number, folder, digest)

    def _made(self, number: int, folder: Path, digest: str) -> ServedModel:
        """Return a champion that has been tried and warmed."""
        champion = ServedModel(number, validate_bundle(folder, digest))
        self.warm(champion)
        return champion

    def _folder(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise TamperedError(f"bundle digest {digest[:80]!r}: expected 64 hexadecimal digits; refused")
        return self.folder / digest

    def _serve(self, champion: ServedModel) -> None:
        if self.current is not None and self.current.bundle.digest != champion.bundle.digest:
            self.previous = self.current
        self.current = champion  # one reference: a request sees the old champion or the new one, never a mixture
        digest = champion.bundle.digest[:12]
        if self.alias == "champion":
            self.metrics.version.set(champion.version)
            self.metrics.changes.inc()
        log.info("%s is version %d: %s, bundle %s", self.alias, champion.version, champion.bundle.info.model, digest)
        self.on_swap()

    def _remember(self, version: Version) -> None:
        ref = ChampionRef(version=version.number, digest=version.lineage.bundle_digest, model=version.lineage.model)
        write_record(self.folder / "current.json", ref, indent=None)
        bundles = [p for p in self.folder.iterdir() if (p / "manifest.json").is_file() and p.name != ref.digest]
        for old in sorted(bundles, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)

    def _keep(self, what: str, error: Exception) -> None:
        self.metrics.follow_errors.inc()
        self._warn(f"{what}: {type(error).__name__}: {error}")

    def _warn(self, text: str) -> None:
        serving = f"version {self.current.version} goes on serving" if self.current else "nothing serves yet"
        if text != self._said:
            log.warning("%s; %s", text, serving)
        self._said = text


def validate_bundle(folder: Path, digest: str) -> Bundle:
    """Return the bundle, every byte checked, all models loaded, after it has answered a test request of each kind.

    Raises TamperedError, ContractError or ReleaseError, or whatever a broken model raises.
    """
    bundle = open_bundle(folder, digest)
    smoke_test(bundle)
    if not bundle.info.weights:
        raise ContractError(f"bundle {digest[:12]}: info.json names no event that teaches; package it again")
    if len(bundle.index) != bundle.info.n_items:
        raise ContractError(f"bundle {digest[:12]}: {len(bundle.index)} ids for {bundle.info.n_items} items")
    vectors = bundle.catalogue.embedding
    if vectors is None or not np.isfinite(vectors).all():
        raise ContractError(f"bundle {digest[:12]}: items.safetensors holds NaN or infinity; package it again")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # requests run side by side; each stays on its core
    return bundle


def freeze_gc() -> None:
    """Take what lives long out of the garbage collector's sight: a full look at it stops all answers for .1 s.

    It looks once more now, so that what a bundle left in circles goes away.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
