"""The loss against torch's own, value and gradients, for one block of positions and for many."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from components.recommenders.sequence import loss
from components.recommenders.sequence.loss import cross_entropy

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def batch(dtype: torch.dtype = torch.float32) -> Batch:
    """Return states, vectors, targets, weights and bias: 11 positions, 7 items, the first of which is no item."""
    torch.manual_seed(0)
    states = functional.normalize(torch.randn(11, 5), dim=1).to(dtype).requires_grad_()
    vectors = functional.normalize(torch.randn(7, 5), dim=1).to(dtype).requires_grad_()
    bias = torch.tensor([-torch.inf, 0, 0, 0.7, 0, 0, 0])
    return states, vectors, torch.randint(1, 7, (11,)), torch.rand(11), bias


def by_torch(states: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, bias: Tensor, t: float) -> Tensor:
    losses = functional.cross_entropy(states @ vectors.T / t + bias, targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


@pytest.mark.parametrize("block", [1, 21, 2**22])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_value_and_gradients_are_those_of_torch(
    block: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "BLOCK", block)
    ours, theirs = batch(), batch()
    one, two = 3 * cross_entropy(*ours, temperature), 3 * by_torch(*theirs, temperature)
    torch.testing.assert_close(one, two)
    one.backward()
    two.backward()
    for mine, other in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_large_logits_do_not_overflow() -> None:
    states, vectors, targets, weights, bias = batch()
    value = cross_entropy(states, vectors, targets, weights, bias, 1e-3)
    value.backward()
    assert torch.isfinite(value)
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()


@pytest.mark.parametrize("block", [21, 2**22])
def test_under_autocast_the_products_are_of_bfloat16(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "BLOCK", block)
    ours, theirs = batch(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        one = cross_entropy(*ours, 0.07)
    two = by_torch(*theirs, 0.07)
    assert one.dtype == torch.float32
    assert 0 < abs(one.item() - two.item()) < 0.02
    one.backward()
    two.backward()
    for mine, other in zip(ours[:2], theirs[:2], strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert 0 < (mine.grad - other.grad).norm() < 0.03 * other.grad.norm()


def test_half_precision_is_computed_in_full() -> None:
    states, vectors, targets, weights, bias = batch(torch.bfloat16)
    value = cross_entropy(states, vectors, targets, weights, bias, 0.07)
    exact = by_torch(states.detach().float(), vectors.detach().float(), targets, weights, bias, 0.07)
    torch.testing.assert_close(value, exact)
    value.backward()
    assert states.grad is not None
    assert states.grad.dtype == torch.bfloat16


def test_the_loss_of_no_positions_is_zero() -> None:
    states, vectors, targets, weights, bias = batch()
    value = cross_entropy(states[:0], vectors, targets[:0], weights[:0], bias, 0.07)
    value.backward()
    assert value == 0
