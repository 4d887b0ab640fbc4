"""A tiny net with all that its training needs, and an interruption of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.contracts import Catalogue, Interactions, Users
from components.params import Params, TrainerParams
from components.recommenders.sequence.batching import SequenceLoader, training_sequences
from components.recommenders.sequence.ensemble import Ensemble
from components.recommenders.sequence.model import Items, Net, Transformer
from components.recommenders.sequence.training import Until, train

World = tuple[Interactions, Catalogue, Users]


class Case:
    """A tiny net with its loader; the metric rises by default."""

    def __init__(self, world: World, params: Params, knobs: TrainerParams, folder: Path, members: int = 1) -> None:
        events, catalogue, _ = world
        assert catalogue.embedding is not None
        torch.manual_seed(0)
        evidence = torch.bincount(torch.from_numpy(events.item_idx).long(), minlength=events.n_items + 1).float()
        text, codes = torch.from_numpy(catalogue.embedding.copy()), torch.zeros(events.n_items + 1, 1, dtype=torch.long)
        section = params.models.sequence
        self.net = Ensemble(
            [Net(Items(text, codes, 1, evidence, section), Transformer(section), section) for _ in range(members)]
        )
        price = np.zeros(events.n_items + 1, np.float32)
        self.loader = SequenceLoader(training_sequences(events, params.models.sequence, price), knobs.batch_size, 0)
        self.knobs, self.folder, self.seen = knobs, folder, 0

    def rising(self, _: Ensemble) -> float:
        self.seen += 1
        return self.seen / 100

    def train(self, until: Until | None = None, key: str = "k", board: Path | None = None) -> dict[str, list]:
        curves, mark = train(self.net, self.loader, until or self.rising, self.knobs, 5, self.folder, key, board)
        assert mark is None
        return curves

    def weights(self) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in self.net.parameters()])


class Stop(Exception):
    """Interrupts a training in these tests."""


def stop_at(case: Case, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt before that step's loss; tests/components/stages/test_finetune.py tests `kill -9`."""
    before, calls = case.net.loss, []

    def loss(*batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == step:
            raise Stop
        return before(*batch)

    monkeypatch.setattr(case.net, "loss", loss)
