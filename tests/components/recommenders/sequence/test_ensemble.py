"""Members that train side by side: each as if alone, and resumed like a single net."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.params import Params, TrainerParams
from tests.components.recommenders.sequence.training_case import Case, Stop, World, stop_at


@pytest.fixture
def knobs(params: Params) -> TrainerParams:
    return params.trainer.model_copy(update={"max_epochs": 3, "patience": 3, "checkpoint_every_steps": 2})


def test_an_interrupted_run_of_two_members_ends_in_the_weights_of_an_uninterrupted_one(
    world: World, params: Params, knobs: TrainerParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, twin = (Case(world, params, knobs, tmp_path / name, members=2) for name in ("case", "twin"))
    straight = case.train()
    with monkeypatch.context() as patch:
        stop_at(twin, 4, patch)
        with pytest.raises(Stop):
            twin.train()
    twin.seen = 1
    assert twin.train() == straight
    assert torch.equal(twin.weights(), case.weights())


def test_a_member_learns_what_it_learns_alone(
    world: World, params: Params, knobs: TrainerParams, tmp_path: Path
) -> None:
    """Without dropout, whose random numbers the members share, the first member has the weights of a single net."""
    section = params.models.sequence.model_copy(update={"dropout": 0.0})
    params = params.model_copy(update={"models": params.models.model_copy(update={"sequence": section})})
    alone, two = (Case(world, params, knobs, tmp_path / str(n), members=n) for n in (1, 2))
    curves, both = alone.train(), two.train()
    first, second = (torch.cat([p.detach().flatten() for p in net.parameters()]) for net in two.net.nets)
    torch.testing.assert_close(first, alone.weights(), rtol=1e-4, atol=1e-6)
    assert (first - second).abs().max() > 0.01
    np.testing.assert_allclose(both["train/loss"], curves["train/loss"], rtol=0.1)
