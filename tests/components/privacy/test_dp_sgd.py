"""DP-SGD: bounded contributions, measured; the scale of the noise; Poisson samples."""

import math

import numpy as np
import pytest
import torch

from components.errors import ContractError
from components.params import PrivacyParams
from components.privacy.dp_sgd import ClippedGradients, PrivateSteps
from components.privacy.noise import NoiseSource

NOISE = NoiseSource(b"s" * 32, b"data")


def net() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def losses(model: torch.nn.Module, n: int) -> list[torch.Tensor]:
    rows = torch.randn(n, 3, generator=torch.Generator().manual_seed(1))
    return [model(row).pow(2).sum() * scale for row, scale in zip(rows, torch.logspace(-4, 4, n), strict=True)]


def summed(n: int, clip: float, without: int | None = None) -> torch.Tensor:
    model = net()
    gradients = ClippedGradients(model.parameters(), clip)
    for i, loss in enumerate(losses(model, n)):
        if i != without:
            gradients.add(loss)
    return gradients.total


def test_one_user_changes_the_sum_by_the_bound_at_most() -> None:
    """Gradients of users differ by a factor of some 10^8; with and without each of them the sum is near."""
    whole = summed(12, 0.5)
    changes = [float((whole - summed(12, 0.5, without)).norm()) for without in range(12)]
    assert max(changes) <= 0.5 * (1 + 1e-5)
    assert max(changes) > 0.49  # the bound is reached: it is no looser than it must be
    assert min(changes) < 0.01  # a small gradient is not blown up


def test_small_gradients_are_added_as_they_are() -> None:
    model = net()
    gradients = ClippedGradients(model.parameters(), 1e9)
    norms = [gradients.add(loss) for loss in losses(model, 5)]
    together = torch.autograd.grad(torch.stack(losses(model, 5)).sum(), list(model.parameters()))
    plain = torch.cat([one.flatten() for one in together])
    assert torch.allclose(gradients.total, plain, rtol=1e-4)
    assert norms == sorted(norms)


def plan(noise: float, rate: float = 0.25, n_users: int = 400, clip: float = 0.5) -> PrivateSteps:
    return PrivateSteps(n_users=n_users, sample_rate=rate, steps=10, noise_multiplier=noise, clip_norm=clip)


def test_noise_has_the_planned_scale() -> None:
    model = torch.nn.Linear(200, 200)
    gradients = ClippedGradients(model.parameters(), 0.5)
    gradients.set_noised_mean(NOISE, 0, plan(1.5))
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert float(flat.std()) == pytest.approx(1.5 * 0.5 / 100, rel=0.02)  # 100 users are expected in a step
    assert abs(float(flat.mean())) < 5 * 1.5 * 0.5 / 100 / math.sqrt(len(flat))


def test_without_noise_the_step_is_the_mean_of_clipped_gradients() -> None:
    model = net()
    gradients = ClippedGradients(model.parameters(), 0.5)
    for loss in losses(model, 12):
        gradients.add(loss)
    gradients.set_noised_mean(NOISE, 0, plan(0.0))
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert torch.equal(flat, gradients.total / 100)


def test_frozen_parameters_get_neither_gradient_nor_noise() -> None:
    model = net()
    model.bias.requires_grad_(False)
    gradients = ClippedGradients(model.parameters(), 0.5)
    gradients.add(losses(model, 2)[1])
    gradients.set_noised_mean(NOISE, 0, plan(1.0))
    assert model.bias.grad is None
    assert model.weight.grad is not None


def test_samples_have_the_rate_and_are_independent_by_step() -> None:
    steps = plan(1.0, rate=0.1, n_users=2_000)
    sizes = [len(steps.sample(NOISE, step)) for step in range(50)]
    assert np.mean(sizes) == pytest.approx(200, rel=0.05)
    assert np.std(sizes) == pytest.approx(math.sqrt(2_000 * 0.1 * 0.9), rel=0.4)
    assert len(set(sizes)) > 10
    assert (steps.sample(NOISE, 3) == steps.sample(NOISE, 3)).all()


def test_plan_expects_each_user_once_an_epoch() -> None:
    params = PrivacyParams(epsilon=4.0, users_per_step=256)
    found = PrivateSteps.plan(params, 0.4, n_users=1_024, epochs=5)
    assert (found.sample_rate, found.steps, found.steps_per_epoch) == (0.25, 20, 4)
    assert PrivateSteps.plan(params, 0.4, n_users=100, epochs=5).sample_rate == 1
    assert PrivateSteps.plan(params, 0.4, 1_024, 5, max_steps=7).steps == 7
    assert found.noise_multiplier > PrivateSteps.plan(params, 0.8, 1_024, 5).noise_multiplier > 0


def test_a_gradient_that_is_not_finite_stops() -> None:
    model = net()
    with pytest.raises(ContractError, match="the gradient of a user has norm nan"):
        ClippedGradients(model.parameters(), 1.0).add(model(torch.full((3,), math.nan)).sum())
