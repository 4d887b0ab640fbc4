"""Shadow traffic: the challenger also scores a share of the histories, only to measure the overlap of the lists."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from components.contracts import Users
from components.experiments.definition import hash_to_unit
from components.serving.inference.errors import OverloadError
from components.serving.inference.histories import build_user, rows_of_user
from components.serving.inference.scorer import ScoredList, Scorer
from components.serving.metrics import ServiceMetrics
from components.serving.models.router import Variant
from components.serving.models.watcher import ModelWatcher, ServedModel

SALT = "shadow"


class Shadow:
    """Compares the lists of champion and challenger for the same history."""

    def __init__(self, watcher: ModelWatcher, share: float, scorer: Scorer, metrics: ServiceMetrics) -> None:
        """watcher: of the alias `challenger`; share: of the histories that both models answer."""
        self.watcher, self.share, self.scorer, self.metrics = watcher, share, scorer, metrics

    def compare(self, variant: Variant, user: Users, item_ids: Sequence[str]) -> None:
        """Score the history with the challenger if it is in the share; item_ids: the list that was sent."""
        challenger = self.watcher.current
        if not self.share or challenger is None or variant.arm or challenger.version == variant.served.version:
            return
        if hash_to_unit(user.history.item_idx.tobytes().hex(), SALT) >= self.share:
            return
        try:
            rows = rows_of_user(variant.served.bundle, user)
            scored = self.scorer.submit(challenger.bundle, build_user(challenger.bundle, rows))
        except OverloadError:
            return  # requests of visitors have priority
        if isinstance(scored, ScoredList):
            self._observe(challenger, scored, item_ids)
        else:
            scored.add_done_callback(lambda done: self._observe_later(challenger, done, item_ids))

    def _observe_later(self, challenger: ServedModel, done: Future[ScoredList], item_ids: Sequence[str]) -> None:
        if done.exception() is None:
            self._observe(challenger, done.result(), item_ids)

    def _observe(self, challenger: ServedModel, scored: ScoredList, item_ids: Sequence[str]) -> None:
        listed = {challenger.bundle.item_ids[i] for i in scored.items[: len(item_ids)]}
        if item_ids:
            self.metrics.shadow_overlap.observe(sum(item_id in listed for item_id in item_ids) / len(item_ids))
