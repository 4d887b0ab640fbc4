"""Which model serves a user: the champion, an arm of the running experiment, or the challenger as a canary."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from components.errors import ContractError
from components.experiments.definition import Experiment, hash_to_unit, read_running
from components.params import ChallengerParams
from components.serving.metrics import ServiceMetrics
from components.serving.models.canary import Canary
from components.serving.models.watcher import ModelWatcher, ServedModel
from components.serving.storage.ttl_cache import TtlCached

log = logging.getLogger("serving")
CANARY = "canary"  # the arm's name in answers, and the salt of the assignment
EXPERIMENT_TTL_S = 1.0  # until a process sees that an experiment began or ended


@dataclass(frozen=True)
class Variant:
    """The model that answers a request, and the arm that the user is in."""

    served: ServedModel
    arm: str | None = None
    experiment: str | None = None


class TrafficRouter:
    """Assigns users to the champion or the challenger; the challenger is loaded only if it gets any traffic."""

    def __init__(self, watcher: ModelWatcher, params: ChallengerParams, metrics: ServiceMetrics) -> None:
        """watcher: of the alias `challenger`."""
        self.watcher, self.params = watcher, params
        self.canary = Canary(watcher.folder, params, metrics)
        self.experiment = TtlCached(EXPERIMENT_TTL_S, self._read_experiment)  # the running one, or None
        self._is_following = False

    @property
    def experiments(self) -> Path:
        """Return the folder of the shop's experiments, beside the folder of its service."""
        return self.watcher.folder.parent.parent / "experiments"

    def start(self) -> None:
        """Load and follow the challenger if it gets any traffic."""
        if self.params.shadow_share or self.canary.share:
            self._is_following = True
            self.watcher.start()

    def follow(self) -> None:
        """Follow the alias from now on; returns at once, the challenger is loaded in the background."""
        if not self._is_following:
            self._is_following = True
            self.watcher.start(in_background=True)

    def stop(self) -> None:
        """Stop following the alias."""
        if self._is_following:
            self.watcher.stop()

    def set_canary_share(self, share: float) -> None:
        """Set the share of users served by the challenger, in all processes of the machine."""
        self.canary.set_share(share)
        if share:
            self.follow()

    def assign(self, user_id: str | None, champion: ServedModel) -> Variant:
        """Return the model of a request, always the same for a user; a request without a user id gets the champion.

        A running experiment takes precedence over a canary. It has no users while an alias names another version than
        at its start.
        """
        challenger = self.watcher.current
        experiment = self.experiment()
        if experiment is not None:
            self.follow()
            arm = experiment.assign(user_id)
            by_role = {"champion": champion, "challenger": challenger}
            models = {a.name: by_role[a.role] for a in experiment.arms}
            if arm is None or any(m is None or m.version != experiment.versions[n] for n, m in models.items()):
                return Variant(champion)
            return Variant(models[arm.name] or champion, arm.name, experiment.name)
        share = self.canary.share
        if not share:
            return Variant(champion)
        self.follow()
        if user_id is None or challenger is None or challenger.version == champion.version:
            return Variant(champion)
        stop = self.canary.stopped()
        if (stop is not None and stop.version == challenger.version) or hash_to_unit(user_id, CANARY) >= share:
            return Variant(champion)
        return Variant(challenger, CANARY)

    def record(self, variant: Variant, failed: bool, seconds: float) -> None:
        """Count a request; stops a canary that breaks its bounds."""
        challenger = self.watcher.current
        if self.canary.share and challenger is not None:
            self.canary.record(challenger.version, variant.arm == CANARY, failed, seconds)

    def _read_experiment(self) -> Experiment | None:
        try:
            return read_running(self.experiments)
        except ContractError as error:
            log.warning("%s", error)
            return None
