"""Softmax cross-entropy over the catalogue in blocks of positions: only gradients are stored, not the logits."""

from typing import Any, cast

import torch
from torch import Tensor

BLOCK = 2**22  # logits in memory at once: 16 MiB fit the cache, which is twice as fast as all at once


def cross_entropy(
    states: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, bias: Tensor, temperature: float
) -> Tensor:
    """Return the weighted mean over positions of -log softmax(states @ vectors.T / temperature + bias) at the target.

    states (positions, d), vectors (n, d), targets and weights (positions,), bias (n,) may hold -inf. Gradients flow to
    states and vectors. Computed in float32 whatever the precision of training.
    """
    if not len(states):
        return states.sum() * 0.0
    loss = _CrossEntropy.apply(states, vectors, targets, weights, bias, temperature)  # type: ignore[no-untyped-call]
    return cast(Tensor, loss)


class _CrossEntropy(torch.autograd.Function):
    """The gradient follows from the logits alone (p - 1 at the target, p elsewhere), so forward computes both."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, bias: Tensor, temperature: float
    ) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            s, v = states.float(), vectors.float()
            share = (weights / weights.sum()).unsqueeze(1)  # (positions, 1)
            to_states, to_vectors, loss = torch.empty_like(s), torch.zeros_like(v), s.new_zeros(())
            rows = max(1, BLOCK // len(v))
            for at in range(0, len(s), rows):
                part = slice(at, at + rows)
                target, weight = targets[part].unsqueeze(1), share[part]
                logits = torch.addmm(bias, s[part], v.T, alpha=1 / temperature)  # (rows, n)
                logits -= logits.amax(dim=1, keepdim=True)
                at_target = logits.gather(1, target)
                total = logits.exp_().sum(dim=1, keepdim=True)
                loss += (weight * (total.log() - at_target)).sum()
                logits.mul_(weight / total).scatter_add_(1, target, -weight)  # now the gradient
                to_states[part] = logits @ v
                to_vectors.addmm_(logits.T, s[part])
        ctx.save_for_backward(to_states.div_(temperature).to(states), to_vectors.div_(temperature).to(vectors))
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        to_states, to_vectors = ctx.saved_tensors
        return to_states * grads[0], to_vectors * grads[0], None, None, None, None
