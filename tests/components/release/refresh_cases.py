"""Evaluations of a refresh, made from per-user values, and changes to them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts import Decision
from components.release.contest import Contenders, Measurements
from components.release.refresh_gate import decide_refresh
from components.release.refresh_history import RefreshHistory
from tests.components.release.gate_cases import CHALLENGER, Case, N

LISTS = {"overlap_at_10": 0.9, "concentration_at_10": 0.4, "score_spread_at_10": 0.2}


class RefreshCase(Case):
    """The refreshed EASE, the EASE that serves, and the best simple model; the two first differ by noise alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.values["ease"] = self.values["champion"] + self.noise
        self.values.pop("popularity")
        self.history = RefreshHistory()
        self.lists = {model: dict(LISTS) for model in self.values}
        self.changes = {"purpose": "refresh", "baselines": ["neighbours"], "simpler": [], "validation": {}}
        self.edit = self.add_lists

    def add_lists(self, tree: dict[str, Any]) -> None:
        for model, metrics in tree["test"].items():
            metrics |= self.lists[model]

    def lose(self, share: float) -> None:
        """Let every user lose this share of the champion's mean; the noise stays."""
        champion = self.values["champion"]
        self.values["ease"] = champion + self.noise - share * champion.mean()

    def decide_refresh(self) -> Decision:
        measured = Measurements(self.evaluation(), "e" * 64, self.write(), self.drift, self.latency_ms, self.data)
        contenders = Contenders(CHALLENGER, self.champion, self.rolled_back)
        at = datetime(2026, 3, 1, 4, tzinfo=UTC)
        return decide_refresh(measured, contenders, self.params, self.history, at)


def noisy_loss(case: RefreshCase, share: float, deviation: float) -> None:
    """Let the users lose this share of the mean, with differences so uneven that chance explains more."""
    case.lose(share)
    case.values["ease"] += np.where(np.arange(N) % 4 < 2, deviation, -deviation)
