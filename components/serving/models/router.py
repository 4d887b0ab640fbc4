"""The challenger beside the champion: its lists are compared unseen (shadow), or shown to a share of users (canary).

A canary that fails or is slow ends at once, in all processes, for that version: a note beside its bundles says why.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from components.contracts import Record, Users
from components.errors import ContractError
from components.experiments.definition import Experiment, hash_to_unit, read_running
from components.io import find_record, write_record
from components.params import ChallengerParams
from components.serving.inference.recommendations import rows_in, user_of
from components.serving.inference.scorer import FAILED, OverloadError, ScoredList, Scorer
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher, ServedModel
from components.serving.storage.ttl_cache import TtlCached

log = logging.getLogger("serving")
SALT = "canary"
STOPPED = "stopped.json"
LOOK_S = 1.0  # experiment and stopped canary are looked for again after this


class Answered(Protocol):
    """What this room sees of an answer."""

    @property
    def item_ids(self) -> Sequence[str]:
        """Return what was listed."""
        ...

    @property
    def reason(self) -> str | None:
        """Return why it was the fallback."""
        ...


@dataclass(frozen=True)
class Variant:
    """Who answers a request."""

    champion: ServedModel
    arm: str | None = None
    experiment: str | None = None


class Stopped(Record):
    """stopped.json: which canary was sent away, and why."""

    version: int
    reason: str


@dataclass
class Tally:
    """What the requests of one side came to."""

    n: int = 0
    failures: int = 0
    seconds: float = 0.0

    def add(self, failed: bool, seconds: float) -> None:
        """Count one request."""
        self.n, self.failures, self.seconds = self.n + 1, self.failures + failed, self.seconds + seconds


def both_sides() -> dict[str, Tally]:
    """Return tallies that begin."""
    return {"champion": Tally(), "canary": Tally()}


@dataclass
class TrafficRouter:
    """Follows the alias `challenger` where there is something to do for it."""

    watcher: ModelWatcher  # of the alias challenger
    knobs: ChallengerParams
    metrics: ServiceMetrics
    canary_share: float = 0.0  # now; starts as the knob, an admin may change it
    tallies: dict[str, Tally] = field(default_factory=both_sides)
    audit: Callable[[str], None] = log.warning

    @property
    def experiments(self) -> Path:
        """Return where the shop's experiments are: beside the folder of its service."""
        return self.watcher.folder.parent.parent / "experiments"

    def __post_init__(self) -> None:
        """Begin with the knobs."""
        self.canary_share = self.knobs.canary_share
        self._lock = threading.Lock()
        self.experiment = TtlCached(LOOK_S, self._experiment)  # the running one, if any
        self.stopped = TtlCached(LOOK_S, self._stopped)  # the stopped canary, whichever process of this machine did it
        self._following = False

    def start(self) -> None:
        """Follow the alias, if the challenger is to see any traffic."""
        if self.knobs.shadow_share or self.canary_share:
            self.look()
        self.metrics.canary_share.set(self.canary_share)

    def look(self) -> None:
        """Follow the alias from now on, for who wants to look at its lists."""
        if not self._following:
            self._following = True
            self.watcher.start()

    def stop(self) -> None:
        """End following."""
        if self._following:
            self.watcher.stop()

    def set_share(self, share: float) -> None:
        """Answer this share of users by the challenger, from now on; what stopped it before is forgotten."""
        (self.watcher.folder / STOPPED).unlink(missing_ok=True)
        self.stopped.invalidate()
        self.tallies = both_sides()
        self.canary_share = share
        self.start()

    def side(self, user_id: str | None, champion: ServedModel) -> Variant:
        """Return who answers: the same user always gets the same side; who is unknown gets the champion.

        A running experiment goes before a canary. Where a version is not the one that it began with, nobody is in it.
        """
        other = self.watcher.current
        experiment = self.experiment()
        if experiment is not None:
            arm = experiment.assign(user_id)
            sides = {"champion": champion, "challenger": other}
            there = {a.name: sides[a.role] for a in experiment.arms}
            if arm is None or any(c is None or c.version != experiment.versions[n] for n, c in there.items()):
                return Variant(champion)
            return Variant(there[arm.name] or champion, arm.name, experiment.name)
        if not self.canary_share or user_id is None or other is None or other.version == champion.version:
            return Variant(champion)
        stopped = self.stopped()
        if (stopped and stopped.version == other.version) or hash_to_unit(user_id, SALT) >= self.canary_share:
            return Variant(champion)
        return Variant(other, "canary")

    def compare(self, side: Variant, user: Users, found: Answered, seconds: float, scorer: Scorer) -> None:
        """Count the request; stop a canary that breaks its bounds; let a shadow answer, where it is its turn."""
        if self.canary_share:
            with self._lock:
                self.tallies["canary" if side.arm == "canary" else "champion"].add(found.reason == FAILED, seconds)
            self._judge()
        other = self.watcher.current
        if not self.knobs.shadow_share or other is None or side.arm or other.version == side.champion.version:
            return
        if hash_to_unit(user.history.item_idx.tobytes().hex(), "shadow") >= self.knobs.shadow_share:
            return
        try:
            best = scorer.best(other.bundle, user_of(other.bundle, rows_in(side.champion.bundle, user)))
        except OverloadError:
            return  # the shadow is the first to go
        if isinstance(best, ScoredList):
            self._overlap(other, best, found.item_ids)
        else:
            best.add_done_callback(lambda done: self._later(other, done, found.item_ids))

    def _stopped(self) -> Stopped | None:
        try:
            return find_record(self.watcher.folder / STOPPED, Stopped, "canary")
        except ContractError:
            return None

    def _experiment(self) -> Experiment | None:
        try:
            found = read_running(self.experiments)
        except ContractError as error:
            log.warning("%s", error)
            return None
        if found is not None:
            self.look()
        return found

    def _judge(self) -> None:
        canary, champion = self.tallies["canary"], self.tallies["champion"]
        other = self.watcher.current
        if other is None or canary.n < self.knobs.min_requests or champion.n < 1:
            return
        more = canary.failures / canary.n - champion.failures / champion.n
        slower = (canary.seconds / canary.n) / max(champion.seconds / champion.n, 1e-6)
        reason = None
        if more > self.knobs.max_extra_failure_share:
            reason = f"{more:.1%} more of its answers failed than of the champion's"
        elif slower > self.knobs.max_latency_ratio:
            reason = f"it took {slower:.1f} times as long as the champion"
        if reason is None:
            return
        with self._lock:
            if self.tallies["canary"] is not canary:
                return
            self.tallies = both_sides()
        stopped = Stopped(version=other.version, reason=reason)
        self.stopped.set(stopped)
        self.metrics.canary_stops.labels("failures" if more > self.knobs.max_extra_failure_share else "slow").inc()
        self.audit(f"canary: version {other.version} stopped after {canary.n} requests: {reason}")
        write_record(self.watcher.folder / STOPPED, stopped)

    def _later(self, other: ServedModel, done: Future[ScoredList], shown: Sequence[str]) -> None:
        if done.exception() is None:
            self._overlap(other, done.result(), shown)

    def _overlap(self, other: ServedModel, best: ScoredList, shown: Sequence[str]) -> None:
        listed = {other.bundle.item_ids[i] for i in best.items[: len(shown)]}
        if shown:
            self.metrics.shadow_overlap.observe(sum(item_id in listed for item_id in shown) / len(shown))
