"""Low-rank adaptation: a frozen weight plus a trained product of two low-rank matrices. Source: Hu et al. 2021."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_LAYERS = ("Linear", "Conv1D")  # transformers' Conv1D is GPT-2's linear layer


class LowRank(nn.Module):
    """weight + (alpha / rank) up @ down; `up` starts at zero, so that the initial weight is unchanged."""

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.randn(rank, columns, generator=generator).to(weight) / columns**0.5)
        self.up = nn.Parameter(weight.new_zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight, of the same shape."""
        return weight + self.scale * (self.up @ self.down)


def add_lora(model: nn.Module, rank: int, alpha: float, seed: int) -> int:
    """Freeze the model and add LowRank to each of its linear layers, in place; return the number of layers."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.requires_grad_(False)
    layers = [m for m in model.modules() if type(m).__name__ in _LAYERS]
    for layer in layers:
        weight = layer.get_parameter("weight")
        parametrize.register_parametrization(layer, "weight", LowRank(weight, rank, alpha, generator))
    return len(layers)


def merge_lora(model: nn.Module) -> None:
    """Add the trained products to the weights, in place, and remove LowRank."""
    for layer in list(model.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
