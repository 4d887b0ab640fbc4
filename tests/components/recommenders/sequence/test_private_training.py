"""The sequence model with noise: bounded gradients of users, exact resumption, and nothing of events but gradients."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import Params, PrivacyParams
from components.privacy.accounting import Budget
from components.privacy.dp_sgd import ClippedGradients
from components.recommenders.sequence.batching import SequenceLoader, training_sequences
from components.recommenders.sequence.private_training import PrivateTraining, _segments_of_users
from components.recommenders.sequence.recommender import SequenceRecommender

World = tuple[Interactions, Catalogue, Users]
SECRET = b"s" * 32


def model_of(params: Params, epsilon: float, epochs: int = 3, **changes: object) -> SequenceRecommender:
    trainer = params.trainer.model_copy(update={"max_epochs": epochs, "checkpoint_every_steps": 2})
    model = SequenceRecommender(params.models.sequence, trainer, 0, exclude_seen=True)
    knobs = PrivacyParams().model_copy(update={"epsilon": epsilon, "users_per_step": 10} | changes)
    model.private = PrivateTraining(knobs, SECRET, ("purchase",))
    return model


def arrays(model: SequenceRecommender) -> np.ndarray:
    weights = [p.detach().numpy().ravel() for p in model.transformers[0].parameters()]
    return np.concatenate([model.vectors.ravel(), *weights])


def test_the_same_secret_and_data_give_the_same_weights_and_others_others(world: World, params: Params) -> None:
    one, same = (model_of(params, 4.0).fit(*world) for _ in range(2))
    assert (arrays(one) == arrays(same)).all()
    other = model_of(params, 4.0)
    assert other.private is not None
    other.private = replace(other.private, secret=b"t" * 32)
    assert not np.allclose(arrays(other.fit(*world)), arrays(one), atol=1e-3)


def test_without_noise_and_clipping_it_learns_and_with_much_noise_it_does_not(world: World, params: Params) -> None:
    clear = model_of(params, math.inf, epochs=15, clip_norm=100.0).fit(*world)
    assert clear.mechanism is not None
    assert clear.mechanism.noise_multiplier == 0
    assert clear.curves["train/loss"][-1] < 0.9 * clear.curves["train/loss"][0]
    noisy = model_of(params, 0.1, epochs=15, clip_norm=100.0).fit(*world)
    assert noisy.curves["train/loss"][-1] > clear.curves["train/loss"][-1]


def test_the_mechanism_is_what_the_budget_asks_for(world: World, params: Params) -> None:
    model = model_of(params, 4.0).fit(*world)
    assert model.mechanism is not None
    assert (model.mechanism.sample_rate, model.mechanism.steps) == (0.25, 12)  # 10 of 40 users, three epochs
    assert model.mechanism.noise_multiplier == Budget(epsilon=4.0, delta=1e-5, share=0.4).noise_multiplier(0.25, 12)


def test_a_killed_training_goes_on_to_the_same_weights(
    world: World, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model_of(params, 4.0).fit(*world)
    model = model_of(params, 4.0)
    model.work = tmp_path / "work"
    before, calls = ClippedGradients.set_noised_mean, []

    def killed(self: ClippedGradients, *args: object) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        before(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(ClippedGradients, "set_noised_mean", killed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*world)
    monkeypatch.setattr(ClippedGradients, "set_noised_mean", before)
    resumed = model_of(params, 4.0)
    resumed.work = tmp_path / "work"
    assert (arrays(resumed.fit(*world)) == arrays(whole)).all()
    assert resumed.mechanism == whole.mechanism


def test_one_user_with_many_segments_changes_the_sum_by_the_clipping_norm_at_most(world: World, params: Params) -> None:
    events, catalogue, _ = world
    knobs = params.models.sequence.model_copy(update={"max_length": 2})
    sequences = training_sequences(events, knobs, np.zeros(events.n_items + 1, np.float32))
    loader = SequenceLoader(sequences, 96, 0)
    users = _segments_of_users(loader)
    assert len(users) == 40
    assert {len(segments) for segments in users} == {3}
    assert all(len(set(sequences.row[segments])) == 1 for segments in users)
    model = model_of(params, 4.0)
    net = model._new_net(knobs, events, catalogue, np.zeros((events.n_items + 1, 1), np.int64), 1)

    def total(without: int | None) -> torch.Tensor:
        gradients = ClippedGradients(net.parameters(), 0.3)
        net.eval()
        for user, segments in enumerate(users[:6]):
            if user != without:
                gradients.add(net.loss(*loader.collate(segments)))
        return gradients.total

    changes = [float((total(None) - total(user)).norm()) for user in range(6)]
    assert max(changes) <= 0.3 * (1 + 1e-4)
    assert min(changes) > 0.29  # all gradients are longer than that


def test_validation_users_and_popularity_are_not_read(world: World, params: Params) -> None:
    events, catalogue, users = world
    one = model_of(params, 4.0).fit(events, catalogue, users)
    other = model_of(params, 4.0).fit(events, catalogue, users.take(np.arange(0)))
    assert (arrays(one) == arrays(other)).all()


def test_several_devices_are_refused(world: World, params: Params) -> None:
    model = model_of(params, 4.0)
    model.trainer = model.trainer.model_copy(update={"devices": 2})
    with pytest.raises(ContractError, match="runs on one device"):
        model.fit(*world)
