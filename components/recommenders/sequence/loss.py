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
    states and vectors. The products are of bfloat16 where training is (autocast), else of float32; all sums and the
    softmax are of float32.
    """
    if not len(states):
        return states.sum() * 0.0
    device = states.device.type
    mixed = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
    dtype = torch.bfloat16 if mixed else torch.float32
    args = states, vectors, targets, weights, bias, temperature, dtype
    loss = _CrossEntropy.apply(*args)  # type: ignore[no-untyped-call]
    return cast(Tensor, loss)


class _CrossEntropy(torch.autograd.Function):
    """The gradient follows from the logits alone (p - 1 at the target, p elsewhere), so forward computes both."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        vectors: Tensor,
        targets: Tensor,
        weights: Tensor,
        bias: Tensor,
        temperature: float,
        dtype: torch.dtype,
    ) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            share = (weights / weights.sum()).unsqueeze(1)  # (positions, 1)
            s, v = states.float(), vectors.to(dtype)
            scaled, weighted = (s / temperature).to(dtype), (s * share).to(dtype)
            to_states, to_vectors, loss = torch.empty_like(s), torch.zeros_like(vectors.float()), s.new_zeros(())
            rows = min(len(s), max(1, BLOCK // len(v)))
            products = scaled.new_empty(rows, len(v))
            buffer = products if dtype == torch.float32 else s.new_empty(rows, len(v))
            for at in range(0, len(s), rows):
                part = slice(at, at + rows)
                target, product = targets[part].unsqueeze(1), products[: len(s[part])]
                logits = buffer[: len(product)].copy_(torch.mm(scaled[part], v.T, out=product)).add_(bias)  # (rows, n)
                at_target = logits.gather(1, target) - logits.amax(dim=1, keepdim=True)
                p = torch.softmax(logits, dim=1, out=logits)
                loss -= (share[part] * (at_target + p.amax(dim=1, keepdim=True).log())).sum()
                p.scatter_add_(1, target, p.new_full((1, 1), -1.0).expand_as(target))  # now the gradient
                product.copy_(p)
                to_states[part] = product @ v
                to_vectors += product.T @ weighted[part]
            to_states *= share
        ctx.save_for_backward(to_states.div_(temperature).to(states), to_vectors.div_(temperature).to(vectors))
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        to_states, to_vectors = ctx.saved_tensors
        return to_states * grads[0], to_vectors * grads[0], None, None, None, None, None
