"""Small parameters of recommenders."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from components.contracts import Catalogue, FloatArray, IntArray, Interactions, Users
from components.recommenders.base import BaseRecommender
from components.recommenders.factory import MODELS

SMALL = [
    "models.als.factors=2",
    "models.ease.l2=5",
    "models.sequence.dim=16",
    "models.sequence.blocks=1",
    "models.sequence.max_length=8",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=20",
    "trainer.batch_size=96",
    "trainer.learning_rate=0.01",
    "models.hybrid.parts=[popularity,ease,content]",
]


class Oracle(BaseRecommender):
    """Scores the targets of users with an even (or odd) number of events above random, and random for the others."""

    name: ClassVar[str] = "oracle"

    def __init__(self, parity: int) -> None:
        self.parity = parity

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        scores = np.random.default_rng(self.parity).random((len(users), 61)).astype(np.float32)
        for row in range(len(users)):
            own = users.history.row(row)
            if len(own) % 2 == self.parity:
                scores[row, 30 + own[0]] += 0.7
        return scores if items is None else scores[:, items]

    def fit(self, interactions: Interactions, items: Catalogue, users: Users) -> Any:
        return self

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Any:
        raise NotImplementedError


class Noisy(Oracle):
    """Scores items at random, each user's own; and the targets of Oracle's users by `lead` higher."""

    def __init__(self, parity: int, seed: int = 0, lead: float = 0.0) -> None:
        super().__init__(parity)
        self.seed, self.lead = seed, lead

    def score(self, users: Users, items: IntArray | None = None) -> FloatArray:
        scores = np.zeros((len(users), 61), np.float32)
        for row, user in enumerate(users.user_idx.tolist()):
            scores[row] = np.random.default_rng([self.seed, user]).random(61)
            own = users.history.row(row)
            if len(own) % 2 == self.parity:
                scores[row, 30 + own[0]] += self.lead
        return scores if items is None else scores[:, items]


TRAINED = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")]  # Lightning, on torch 2.13
UNTRAINED = [name for name, entry in MODELS.items() if entry.stage != "finetune"]  # fitted without epochs
every_model = pytest.mark.parametrize(
    "name", [name if name in UNTRAINED else pytest.param(name, marks=TRAINED) for name in MODELS]
)
