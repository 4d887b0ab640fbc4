"""The canary: the share of users served by the challenger, and the bounds that stop it.

Two small files beside the challenger's bundles hold its state for all processes of the machine: canary.json the share
that an administrator set, stopped.json the version that broke its bounds. Each process reads them again every second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.contracts import Record
from components.errors import ContractError
from components.io import find_record, write_record
from components.params import ChallengerParams
from components.serving.metrics import ServiceMetrics
from components.serving.storage.ttl_cache import TtlCached
from components.times import now_micros

log = logging.getLogger("serving")
SHARE_FILE, STOP_FILE = "canary.json", "stopped.json"
FILE_TTL_S = 1.0  # how soon a process sees what another one wrote
RecordT = TypeVar("RecordT", bound=Record)


class CanaryShare(Record):
    """canary.json: the share of users, and when it was set (us); 0: the share of params.yaml."""

    share: float
    set_at: int


class CanaryStop(Record):
    """stopped.json: the stopped version, the reason, and when its share was set (us)."""

    version: int
    reason: str
    set_at: int = 0


@dataclass
class Tally:
    """Counts of the champion's or the canary's requests."""

    n: int = 0
    failures: int = 0
    seconds: float = 0.0

    def add(self, failed: bool, seconds: float) -> None:
        """Count one request."""
        self.n, self.failures, self.seconds = self.n + 1, self.failures + failed, self.seconds + seconds


class Canary:
    """The share and the stop, common to all processes of the machine, and this process's tallies."""

    def __init__(self, folder: Path, params: ChallengerParams, metrics: ServiceMetrics) -> None:
        """folder: of the challenger's bundles."""
        self.folder, self.params, self.metrics = folder, params, metrics
        self.audit: Callable[[str], None] = log.warning  # called with the reason of a stop
        self._lock = threading.Lock()
        self._setting = CanaryShare(share=params.canary_share, set_at=0)
        self._champion, self._canary = Tally(), Tally()
        self.setting = TtlCached(FILE_TTL_S, self._read_setting)
        self.stop_file = TtlCached(FILE_TTL_S, lambda: self._read(STOP_FILE, CanaryStop))

    @property
    def share(self) -> float:
        """Return the share of users served by the challenger."""
        return self.setting().share

    def set_share(self, share: float) -> None:
        """Set the share in all processes of the machine; a stop under an earlier share no longer counts."""
        set_at = max(now_micros(), self.setting().set_at + 1)
        write_record(self.folder / SHARE_FILE, CanaryShare(share=share, set_at=set_at))
        self.setting.invalidate()
        self.setting()

    def stopped(self) -> CanaryStop | None:
        """Return the version that any process stopped under the present share; None where there is none."""
        stop = self.stop_file()
        return stop if stop is not None and stop.set_at >= self.setting().set_at else None

    def record(self, version: int, is_canary: bool, failed: bool, seconds: float) -> None:
        """Count a request of either model; stop the canary, which is `version`, where it breaks its bounds."""
        with self._lock:
            (self._canary if is_canary else self._champion).add(failed, seconds)
            champion, canary = self._champion, self._canary
            if canary.n < self.params.min_requests or champion.n < 1:
                return
            cause, reason = self._broken_bound(champion, canary)
            if not cause:
                return
            self._champion, self._canary = Tally(), Tally()
            set_at = self._setting.set_at
        stop = CanaryStop(version=version, reason=reason, set_at=set_at)
        self.stop_file.set(stop)
        self.metrics.canary_stops.labels(cause).inc()
        self.audit(f"canary: version {version} stopped after {canary.n} requests: {reason}")
        write_record(self.folder / STOP_FILE, stop)

    def _broken_bound(self, champion: Tally, canary: Tally) -> tuple[str, str]:
        """Return the metric's label and the reason; two empty texts where all bounds hold."""
        more = canary.failures / canary.n - champion.failures / champion.n
        slower = (canary.seconds / canary.n) / max(champion.seconds / champion.n, 1e-6)
        if more > self.params.max_extra_failure_share:
            return "failures", f"{more:.1%} more of its answers failed than of the champion's"
        if slower > self.params.max_latency_ratio:
            return "slow", f"it took {slower:.1f} times as long as the champion"
        return "", ""

    def _read_setting(self) -> CanaryShare:
        setting = self._read(SHARE_FILE, CanaryShare) or CanaryShare(share=self.params.canary_share, set_at=0)
        with self._lock:
            if setting != self._setting:
                self._setting, self._champion, self._canary = setting, Tally(), Tally()
        self.metrics.canary_share.set(setting.share)
        return setting

    def _read(self, name: str, kind: type[RecordT]) -> RecordT | None:
        try:
            return find_record(self.folder / name, kind, "canary", "remove the file")
        except ContractError as error:
            log.warning("%s", error)
            return None


def reset_share(folder: Path) -> None:
    """Return to the share of params.yaml; called once when the service starts. folder: of the challenger's bundles."""
    (folder / SHARE_FILE).unlink(missing_ok=True)
