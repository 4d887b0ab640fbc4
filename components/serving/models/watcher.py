"""The model that serves: the bundle under an alias of the registry, fetched, verified and validated before a swap."""

import gc
import logging
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from components.contracts import ChampionRef
from components.errors import ContractError, TamperedError
from components.io import find_record, write_record
from components.release.bundle import Bundle, open_bundle
from components.release.lock import exclusive_lock
from components.release.registry import Alias, Version
from components.release.smoke_test import smoke_test
from components.serving.metrics import ServiceMetrics

log = logging.getLogger("serving")
DIGEST = re.compile(r"[0-9a-f]{64}")
BUNDLES_ON_DISK = 2  # the one that serves, and the one before it, for a rollback without a download
LOCK_S = 120.0  # longest wait while another service on this machine fetches
MAX_BACKOFF_S = 300.0  # between two attempts at a bundle that was refused


class ModelSource(Protocol):
    """Where models come from: the part of release.registry.Registry that the watcher needs."""

    def alias(self, name: Alias) -> Version | None:
        """Return the version under the alias."""
        ...

    def fetch(self, number: int, folder: Path) -> Path:
        """Return folder, holding the version's bundle, verified."""
        ...


@dataclass(frozen=True)
class ServedModel:
    """A validated bundle, and its version number in the registry."""

    version: int
    bundle: Bundle


@dataclass(frozen=True)
class Refusal:
    """A version that could not be served: how often it was tried, and when it is tried again (time.monotonic)."""

    version: int
    attempts: int
    retry_at: float


class ModelWatcher:
    """Follows one alias of the registry; `current` is the model that serves.

    A request reads `current` once and keeps that model until it is answered.
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
        self.previous: ServedModel | None = None  # stays loaded: `revert` needs no disk
        self.warm_up: Callable[[ServedModel], None] = lambda _: None  # called with a new model before it serves
        self.on_swap: Callable[[], None] = lambda: None  # called after a swap
        self._reverted: int | None = None  # version that `revert` replaced: not served again while the alias names it
        self._last_warning = ""  # not repeated at every poll
        self._refusal: Refusal | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, in_background: bool = False) -> None:
        """Serve the last good bundle on disk, if any, and poll the alias in a thread.

        in_background: load the bundle in that thread too, so that this returns at once.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not in_background:
            self.load_last()
        self._thread = threading.Thread(
            target=self._follow, args=(in_background,), name=f"{self.alias}-watcher", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End polling; a download in progress ends with the process."""
        self._stopped.set()
        if self._thread:
            self._thread.join(timeout=2)

    def load_last(self) -> None:
        """Serve what current.json names, without the registry; a damaged bundle is left for the next poll to fetch."""
        with self._lock, self._logged_failure("the last bundle on disk"):
            ref = find_record(self.folder / "current.json", ChampionRef, "champion")
            if ref is None:
                log.info("no bundle of the %s on disk yet", self.alias)
            else:
                self._swap(self._load(ref.version, self._bundle_folder(ref.digest), ref.digest))

    def poll(self) -> None:
        """Look up the alias once; serve its bundle if it is new and passes validation. Raises nothing."""
        with self._lock:
            self._poll()

    def _poll(self) -> None:
        version = None
        with self._logged_failure("registry"):
            version = self.source.alias(self.alias)
            self.metrics.registry_last_success.set_to_current_time()
            if version is None:
                self._warn(f"no {self.alias} in the registry")
        if version is None or not self._is_new(version):
            return
        started, is_served = time.monotonic(), False
        with self._logged_failure(f"version {version.number}"):
            self._swap(self._fetch(version))
            is_served = True
        if not is_served:
            self._refuse(version.number)
            return
        self._refusal, self._last_warning = None, ""
        self.metrics.reload_seconds.set(time.monotonic() - started)
        with self._logged_failure("current.json"):  # e.g. a full disk: only starts without a registry read it
            self._record_current(version)

    def revert(self) -> ServedModel:
        """Serve the previous model again, at once, until the alias names another version than the replaced one.

        Raises ContractError where there is none. The alias is moved by `carousel rollback`.
        """
        previous, current = self.previous, self.current
        if previous is None or current is None:
            raise ContractError("no other version has served since the start; use `carousel rollback`")
        self._reverted = current.version
        self._swap(previous)
        return previous

    def _follow(self, load_last: bool) -> None:
        if load_last:
            self.load_last()
        while not self._stopped.is_set():
            self.poll()
            self._stopped.wait(self.poll_s)

    @contextmanager
    def _logged_failure(self, what: str) -> Iterator[None]:
        """Log and count any error of the block; the current model keeps serving."""
        try:
            yield
        except Exception as error:  # a damaged bundle or an unreachable registry may raise anything
            self.metrics.model_poll_errors.inc()
            self._warn(f"{what}: {type(error).__name__}: {error}")

    def _is_new(self, version: Version) -> bool:
        now = self.current
        if now and (now.version, now.bundle.digest) == (version.number, version.lineage.bundle_digest):
            self._refusal, self._last_warning = None, ""
            return False
        if self._reverted == version.number:
            return False
        self._reverted = None
        refusal = self._refusal
        return not (refusal and refusal.version == version.number and time.monotonic() < refusal.retry_at)

    def _refuse(self, number: int) -> None:
        """Wait twice as long before each further attempt at the same version."""
        before = self._refusal
        attempts = before.attempts + 1 if before and before.version == number else 1
        self._refusal = Refusal(number, attempts, time.monotonic() + min(self.poll_s * 2**attempts, MAX_BACKOFF_S))

    def _fetch(self, version: Version) -> ServedModel:
        digest = version.lineage.bundle_digest
        with exclusive_lock(self.folder / "fetch.lock", "fetching a bundle", LOCK_S):
            folder = self.source.fetch(version.number, self._bundle_folder(digest))
        return self._load(version.number, folder, digest)

    def _load(self, number: int, folder: Path, digest: str) -> ServedModel:
        """Return the model, validated and warmed up."""
        served = ServedModel(number, validate_bundle(folder, digest))
        self.warm_up(served)
        return served

    def _bundle_folder(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise TamperedError(f"bundle digest {digest[:80]!r}: expected 64 hexadecimal digits; refused")
        return self.folder / digest

    def _swap(self, served: ServedModel) -> None:
        if self.current is not None and self.current.bundle.digest != served.bundle.digest:
            self.previous = self.current
        self.current = served  # one reference: a request sees the old model or the new one, never a mixture
        digest = served.bundle.digest[:12]
        if self.alias == "champion":
            self.metrics.champion_version.set(served.version)
            self.metrics.champion_changes.inc()
        log.info("%s is version %d: %s, bundle %s", self.alias, served.version, served.bundle.info.model, digest)
        self.on_swap()

    def _record_current(self, version: Version) -> None:
        """Write current.json, and remove the bundles that no rollback needs."""
        ref = ChampionRef(version=version.number, digest=version.lineage.bundle_digest, model=version.lineage.model)
        write_record(self.folder / "current.json", ref, indent=None)
        bundles = [p for p in self.folder.iterdir() if (p / "manifest.json").is_file() and p.name != ref.digest]
        for old in sorted(bundles, key=lambda p: p.stat().st_mtime, reverse=True)[BUNDLES_ON_DISK - 1 :]:
            shutil.rmtree(old, ignore_errors=True)

    def _warn(self, text: str) -> None:
        serving = f"version {self.current.version} goes on serving" if self.current else "no model serves yet"
        if text != self._last_warning:
            log.warning("%s; %s", text, serving)
        self._last_warning = text


def validate_bundle(folder: Path, digest: str) -> Bundle:
    """Return the bundle, every byte checked, all models loaded, after it has answered a test request of each kind.

    Raises TamperedError, ContractError or ReleaseError, or whatever a broken model raises.
    """
    bundle = open_bundle(folder, digest)
    smoke_test(bundle)
    if not bundle.info.weights:
        raise ContractError(f"bundle {digest[:12]}: info.json gives no event a weight; package it again")
    if len(bundle.index) != bundle.info.n_items:
        raise ContractError(f"bundle {digest[:12]}: {len(bundle.index)} ids for {bundle.info.n_items} items")
    vectors = bundle.catalogue.embedding
    if vectors is None or not np.isfinite(vectors).all():
        raise ContractError(f"bundle {digest[:12]}: items.safetensors holds NaN or infinity; package it again")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # requests run in parallel, one core each
    return bundle


def freeze_gc() -> None:
    """Exempt all living objects from garbage collection: a full collection of a model pauses all requests for 0.1 s.

    Collects once before, so that reference cycles of the previous model are freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
